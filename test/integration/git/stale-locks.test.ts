import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findStaleLocks, removeStaleLocks } from '../../../src/git/stale-locks.js';
import { runCli } from '../../support/cli.js';
import { gitOk } from '../../support/git.js';
import { gitAtWork, gitWithMainLocked, type LivingGit } from '../../support/living-git.js';
import { anAnswer } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { runProcess } from '../../support/run-process.js';
import { waitUntil } from '../../support/wait-until.js';

const MAIN = 'refs/heads/main';
const paths = (locks: readonly { path: string }[]) => locks.map((lock) => lock.path).sort();

/** A git that has taken the lock of main and waits for its next command. */
async function holdMain(
  bridge: PlainBridge,
  how: { readonly args: readonly string[]; readonly cwd?: string; readonly env?: Record<string, string> },
): Promise<LivingGit> {
  return gitWithMainLocked({ ...how, env: { ...bridge.env, ...how.env } }, await bridge.tip());
}

const atWork = (gitDir: string, env: Record<string, string>) =>
  gitAtWork({ args: ['--git-dir', gitDir], env, cwd: '/' });

test('a bridge that nothing was left in has no locks', async () => {
  const bridge = await startPlainBridge();
  expect(await findStaleLocks(bridge.repoPath)).toEqual({
    stale: [],
    unproven: [],
    isBlind: false,
  });
});

describe.skipIf(process.platform !== 'linux')('the lock of a git', () => {
  test('that lives is never called stale, however it came to the repository; that of a killed one is', async () => {
    const bridge = await startPlainBridge();
    const link = join(bridge.dir, 'link');
    await symlink(bridge.repoPath, link);
    const ways = [
      { args: [`--git-dir=${bridge.repoPath}`], cwd: '/' },
      { args: ['--git-dir', 'bridge.git'], cwd: bridge.dir },
      { args: ['-C', link], cwd: bridge.dir },
      { args: [], cwd: join(bridge.repoPath, 'refs') },
      { args: [], cwd: '/', env: { GIT_DIR: link } },
    ];
    for (const way of ways) {
      const child = await holdMain(bridge, way);
      const alive = await findStaleLocks(bridge.repoPath);
      await child.kill();
      const dead = await findStaleLocks(bridge.repoPath);

      expect(paths(alive.unproven), way.args.join(' ')).toContain(`${MAIN}.lock`);
      expect(alive.stale).toEqual([]);
      expect(paths(dead.stale), way.args.join(' ')).toContain(`${MAIN}.lock`);
      expect(dead.unproven).toEqual([]);
      for (const { path } of dead.stale) await rm(join(bridge.repoPath, path));
    }
  });

  test('that was killed stops every push, status names it, and the push goes through when that file is gone', async () => {
    const bridge = await startPlainBridge();
    await (await holdMain(bridge, { args: ['--git-dir', bridge.repoPath] })).kill();
    const task = await bridge.writer.ask(await bridge.tip(), 'one');
    const refused = await bridge.push([`${task}:${MAIN}`]);
    const status = () => runCli(['status', '--repo', bridge.repoPath, '--json'], { env: bridge.env });

    const { stale_locks: named } = JSON.parse((await status()).stdout);
    const text = (await runCli(['status', '--repo', bridge.repoPath], { env: bridge.env })).stdout;
    for (const { path } of named) await rm(join(bridge.repoPath, path));

    expect(refused.exitCode).not.toBe(0);
    expect(paths(named)).toContain(`${MAIN}.lock`);
    expect(text).toMatch(/left by a killed git since \d{4}-\S+Z: refs\/heads\/main\.lock/);
    await bridge.pushOk(task);
    await bridge.pushOk(await bridge.writer.answer(task, anAnswer(task, 'one')));
    expect(JSON.parse((await status()).stdout)).toMatchObject({ answered: 1, stale_locks: [] });
  });

  test('whose push dies in pre-receive leaves a quarantine, which is stale only when the hook has ended too', async () => {
    const bridge = await startPlainBridge();
    const hook = join(bridge.repoPath, 'hooks', 'pre-receive');
    const go = join(bridge.dir, 'go');
    await runProcess('mkfifo', [go], { env: bridge.env });
    // A git of the hook's waits too, as one that reads a large pack would.
    await writeFile(
      hook,
      `#!/bin/sh\necho $PPID > ${bridge.dir}/receive-pack\ngit cat-file --batch < ${go}\n`,
    );
    await chmod(hook, 0o755);
    const task = await bridge.writer.ask(await bridge.tip(), 'one');
    const push = bridge.push([`${task}:${MAIN}`]);
    const pid = await waitUntil(async () => {
      const text = await readFile(join(bridge.dir, 'receive-pack'), 'utf8').catch(() => '');
      return text.endsWith('\n') && Number(text);
    }, 'the hook runs');
    const running = await findStaleLocks(bridge.repoPath);
    process.kill(pid, 'SIGKILL');
    await waitUntil(
      () =>
        access(`/proc/${pid}`).then(
          () => false,
          () => true,
        ),
      'receive-pack is gone',
    );
    const orphaned = await findStaleLocks(bridge.repoPath);
    // Opening the fifo lets the hook's git begin, closing it lets it end.
    await writeFile(go, '');
    await push;
    const over = await waitUntil(async () => {
      const found = await findStaleLocks(bridge.repoPath);
      return found.unproven.length === 0 && found;
    }, 'the hook has ended');

    expect(running.stale).toEqual([]);
    expect(running.unproven).toMatchObject([{ kind: 'quarantine' }]);
    expect(orphaned.stale).toEqual([]);
    expect(over.stale).toMatchObject([
      { kind: 'quarantine', path: expect.stringMatching(/^objects\/tmp_objdir-/) },
    ]);
  });

  test('is proven stale whatever reads the bridge or works on another, and not while one is there that might have made it', async () => {
    const bridge = await startPlainBridge();
    await (await holdMain(bridge, { args: ['--git-dir', bridge.repoPath] })).kill();
    await atWork(bridge.cloneDir, bridge.env);
    for (const args of [
      ['cat-file', '--batch'],
      ['-c', 'core.pager=x', '--no-pager', 'cat-file', '--batch'],
    ]) {
      const reading = spawn('git', ['--git-dir', bridge.repoPath, ...args], { env: bridge.env, cwd: '/' });
      onCleanup(() => void reading.kill('SIGKILL'));
      reading.stdin.write('HEAD\n');
      await once(reading.stdout, 'data');
    }
    expect(paths((await findStaleLocks(bridge.repoPath)).stale)).toContain(`${MAIN}.lock`);

    await atWork(bridge.repoPath, bridge.env);
    expect((await findStaleLocks(bridge.repoPath)).stale).toEqual([]);
  });

  test('is proven stale while others wait at a lock of ours, which is no lock of git', async () => {
    const bridge = await startPlainBridge();
    await (await holdMain(bridge, { args: ['--git-dir', bridge.repoPath] })).kill();
    const file = join(bridge.repoPath, 'bridge', 'doctor.lock');
    const waiting = spawn('sh', ['-c', `exec 3>"$0"; echo open; read line`, file], {
      env: bridge.env,
      cwd: bridge.repoPath,
    });
    onCleanup(() => void waiting.kill('SIGKILL'));
    await once(waiting.stdout, 'data');

    expect(paths((await findStaleLocks(bridge.repoPath)).stale)).toContain(`${MAIN}.lock`);
  });

  test('is proven stale on a bridge that always somebody works on, once those have ended who were there first', async () => {
    const bridge = await startPlainBridge();
    await (await holdMain(bridge, { args: ['--git-dir', bridge.repoPath] })).kill();
    let reader = await atWork(bridge.repoPath, bridge.env);
    let isOver = false;
    const looking = findStaleLocks(bridge.repoPath, { waitMs: 60_000 }).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const next = await atWork(bridge.repoPath, bridge.env);
      await reader.kill();
      reader = next;
    }

    expect(paths((await looking).stale)).toContain(`${MAIN}.lock`);
    expect((await findStaleLocks(bridge.repoPath)).stale).toEqual([]);
  });

  test('is not proven stale where any process has the file open, whatever it is', async () => {
    const bridge = await startPlainBridge();
    await (await holdMain(bridge, { args: ['--git-dir', bridge.repoPath] })).kill();
    const lock = join(bridge.repoPath, `${MAIN}.lock`);
    const holder = spawn('sh', ['-c', `exec 3<"$0"; echo open; read line`, lock], {
      env: bridge.env,
      cwd: '/',
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onCleanup(() => void holder.kill('SIGKILL'));
    await once(holder.stdout, 'data');
    expect((await findStaleLocks(bridge.repoPath)).stale).toEqual([]);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(paths((await findStaleLocks(bridge.repoPath)).stale)).toContain(`${MAIN}.lock`);
  });
});

test('every kind of lock is found, and other files are not', async () => {
  const bridge = await startPlainBridge();
  const made = [
    ...['HEAD.lock', 'config.lock', 'packed-refs.lock', 'refs/heads/main.lock', 'refs/bridge/claims/x.lock'],
    ...['objects/info/commit-graph.lock', 'objects/info/commit-graphs/commit-graph-chain.lock'],
    ...['objects/pack/multi-pack-index.lock', 'objects/maintenance.lock', 'packed-refs.new'],
    ...['gc.pid.lock', 'gc.log.lock', 'shallow.lock', 'logs/HEAD.lock', 'logs/refs/heads/main.lock'],
  ];
  for (const name of [...made, 'bridge/ingest.lock', 'bridge/keys.lock']) {
    await mkdir(join(bridge.repoPath, name, '..'), { recursive: true });
    await writeFile(join(bridge.repoPath, name), '');
  }
  await mkdir(join(bridge.repoPath, 'objects/tmp_objdir-incoming-x'));
  const { stale, unproven } = await findStaleLocks(bridge.repoPath);
  expect(paths([...stale, ...unproven])).toEqual([...made, 'objects/tmp_objdir-incoming-x'].sort());
});

test('of two who clear up at once, the second leaves alone what a git has made since', async () => {
  const bridge = await startPlainBridge();
  const file = join(bridge.repoPath, 'HEAD.lock');
  await writeFile(file, '');
  const { stale } = await findStaleLocks(bridge.repoPath);
  expect(await removeStaleLocks(bridge.repoPath, stale)).toMatchObject({ removed: [{ path: 'HEAD.lock' }] });
  await writeFile(file, '');

  expect(await removeStaleLocks(bridge.repoPath, stale)).toEqual({ removed: [], failed: [] });
  await access(file);
});

test('without a /proc nothing is proven', async () => {
  const bridge = await startPlainBridge();
  await writeFile(join(bridge.repoPath, 'HEAD.lock'), '');
  for (const proc of [join(bridge.dir, 'nowhere'), bridge.dir]) {
    const { stale, unproven } = await findStaleLocks(bridge.repoPath, { procFolder: proc, waitMs: 60_000 });
    expect([stale, paths(unproven)]).toEqual([[], ['HEAD.lock']]);
  }
  expect(await gitOk(['rev-parse', MAIN], { gitDir: bridge.repoPath, env: bridge.env })).toMatch(
    /^[0-9a-f]{40}\n$/,
  );
});
