import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkLocks } from '../../../../src/admin/doctor/check-locks.js';
import type { Finding } from '../../../../src/admin/doctor/finding.js';
import { runCli } from '../../../support/cli.js';
import { gitWithMainLocked } from '../../../support/living-git.js';
import { type PlainBridge, startPlainBridge } from '../../../support/plain-bridge.js';

const MAIN = 'refs/heads/main';

/** A git of the bridge that has the lock of main and goes no further. */
async function holdMain(bridge: PlainBridge) {
  return gitWithMainLocked({ args: ['--git-dir', bridge.repoPath], env: bridge.env }, await bridge.tip());
}

async function doctor(bridge: PlainBridge, ...args: string[]) {
  const result = await runCli(['doctor', '--repo', bridge.repoPath, '--json', ...args], { env: bridge.env });
  const findings = JSON.parse(result.stdout) as Finding[];
  return { exitCode: result.exitCode, locks: findings.filter(({ check }) => check === 'locks') };
}

const isThere = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );

describe.skipIf(process.platform !== 'linux')('doctor and the locks of git', () => {
  test('a killed one is named with its remedy, --fix removes it and its quarantine, and pushes go through again', async () => {
    const bridge = await startPlainBridge({ hooks: 'here' });
    const child = await holdMain(bridge);
    await child.kill();
    const quarantine = join(bridge.repoPath, 'objects', 'tmp_objdir-incoming-aBcDeF');
    await mkdir(join(quarantine, 'pack'), { recursive: true });
    await writeFile(join(quarantine, 'pack', 'tmp_pack_1'), 'half of it');
    const task = await bridge.writer.ask(await bridge.tip(), 'one');
    const refused = await bridge.push([`${task}:${MAIN}`]);

    const found = await doctor(bridge);
    const afterLook = await isThere(join(bridge.repoPath, `${MAIN}.lock`));
    const fixed = await doctor(bridge, '--fix');
    const again = await doctor(bridge);

    expect(refused.exitCode).not.toBe(0);
    expect(found.exitCode).toBe(1);
    expect(found.locks).toContainEqual({
      check: 'locks',
      status: 'broken',
      text: expect.stringMatching(/^refs\/heads\/main\.lock, left by a killed git since \d{4}-\S+Z, /),
      remedy: `llm-bridge doctor --fix --repo ${bridge.repoPath}`,
    });
    expect(found.locks).toContainEqual(
      expect.objectContaining({
        status: 'warning',
        text: expect.stringContaining('tmp_objdir-incoming-aBcDeF'),
      }),
    );
    expect(afterLook).toBe(true);
    expect(fixed.locks.map(({ status }) => status)).toEqual(fixed.locks.map(() => 'ok'));
    expect(fixed.locks.map(({ text }) => text).join('\n')).toMatch(
      /removed refs\/heads\/main\.lock, left by/,
    );
    expect(fixed.locks.map(({ text }) => text).join('\n')).toContain(
      'removed objects/tmp_objdir-incoming-aBcDeF',
    );
    expect(await isThere(quarantine)).toBe(false);
    expect(again.locks).toEqual([
      { check: 'locks', status: 'ok', text: 'no git that was killed left anything behind', remedy: null },
    ]);
    await bridge.pushOk(task);
  });

  test('that of a git which lives is never removed, and nothing is called broken for it', async () => {
    const bridge = await startPlainBridge({ hooks: 'here' });
    const child = await holdMain(bridge);

    const fixed = await doctor(bridge, '--fix');
    const stillThere = await isThere(join(bridge.repoPath, `${MAIN}.lock`));
    await child.finish();

    expect(fixed.locks).toContainEqual(
      expect.objectContaining({ status: 'ok', text: 'refs/heads/main.lock may be in use' }),
    );
    expect(fixed.locks.filter(({ status }) => status === 'broken')).toEqual([]);
    expect(stillThere).toBe(true);
  });
});

test('where nothing can be proven, nothing is removed, and an old lock is a warning', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const lock = join(bridge.repoPath, 'HEAD.lock');
  await writeFile(lock, '');
  const noProc = join(bridge.dir, 'no-proc');

  const now = await checkLocks(bridge.repoPath, { fix: true, nowMs: Date.now(), procFolder: noProc });
  const later = await checkLocks(bridge.repoPath, {
    fix: true,
    nowMs: Date.now() + 3_600_000,
    procFolder: noProc,
  });

  expect(now).toMatchObject([{ status: 'ok', text: 'HEAD.lock may be in use' }]);
  expect(later).toMatchObject([{ status: 'warning', text: 'HEAD.lock is 60 min old, and may be in use' }]);
  expect(await isThere(lock)).toBe(true);
});
