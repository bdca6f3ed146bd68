import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../../support/cli.js';
import { runFaulty, stepsOf } from '../../support/dying-cli.js';
import { gitOk } from '../../support/git.js';
import { startPlainBridge } from '../../support/plain-bridge.js';

test('init of an old bridge, killed before any step, leaves each hook whole, and works when run again', async () => {
  const bridge = await startPlainBridge();
  const init = ['init', bridge.repoPath];
  const hooks = ['hooks/pre-receive', 'hooks/post-receive', 'bridge/ssh-command'].map((name) =>
    join(bridge.repoPath, name),
  );
  const good = await Promise.all(hooks.map((file) => readFile(file, 'utf8')));
  const old = good.map((text) => `${text}# of an older version\n`);
  const config = (args: readonly string[]) =>
    gitOk(['config', ...args], { gitDir: bridge.repoPath, env: bridge.env });
  const makeOld = async () => {
    await Promise.all(hooks.map((file, index) => writeFile(file, old[index] ?? '')));
    await config(['--unset', 'core.fsync']);
  };
  await makeOld();
  const steps = await stepsOf(init, { env: bridge.env });
  for (let at = 1; at <= steps.length; at += 1) {
    await makeOld();
    const hit = await runFaulty(init, { env: bridge.env }, at, 'dies');
    for (const [index, file] of hooks.entries()) {
      expect([good[index], old[index]], `${file} after ${hit.step}`).toContain(await readFile(file, 'utf8'));
    }
    const again = await runCli(init, { env: bridge.env });
    expect(again.exitCode, `after ${hit.step}: ${again.stderr}`).toBe(0);
    expect(await Promise.all(hooks.map((file) => readFile(file, 'utf8')))).toEqual(good);
    expect(await config(['core.fsync'])).toBe('all\n');
  }
  expect(steps.filter((step) => step.startsWith('rename ')).length).toBeGreaterThanOrEqual(hooks.length);
}, 240_000);
