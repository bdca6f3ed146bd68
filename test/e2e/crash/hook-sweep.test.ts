import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { faultEnv } from '../../support/dying-cli.js';
import { git, gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';

// SECURITY.md: P22

/**
 * A bridge whose pre-receive is run by `line` in place of `exec "$node" "$hook"`, and an answer to be pushed
 * to it.
 */
async function place(line: string, isPacked = false) {
  const bridge = await startPlainBridge();
  const hook = join(bridge.repoPath, 'hooks', 'pre-receive');
  const stub = await readFile(hook, 'utf8');
  const task = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), '2+2'));
  // What is in a pack takes git to read.
  if (isPacked) await gitOk(['repack', '-a', '-d', '-q'], { gitDir: bridge.repoPath, env: bridge.env });
  const answer = await bridge.writer.answer(task, anAnswer(task, '2+2'));
  await writeFile(hook, stub.replace('exec "$node" "$hook"', line));
  const push = (env: Record<string, string> = {}) =>
    git(['push', bridge.repoPath, `${answer}:refs/heads/main`], {
      gitDir: bridge.cloneDir,
      env: { ...bridge.env, ...env },
    });
  return { bridge, task, answer, push, restore: () => writeFile(hook, stub) };
}

async function records(bridge: PlainBridge): Promise<number> {
  return (await bridge.readLog()).split('\n').length - 1;
}

test('pre-receive, killed before any step, lets nothing in, and the push works when made again', async () => {
  const { NODE_OPTIONS: preload = '' } = faultEnv('', 0, 'dies');
  const { bridge, task, answer, push } = await place(`exec "$node" ${preload} "$hook"`, true);
  let steps = 0;
  for (let at = 1; ; at++) {
    const stepsFile = join(bridge.dir, `steps-${at}`);
    const result = await push(faultEnv(stepsFile, at, 'dies', 'pre-receive'));
    const taken = (await readFile(stepsFile, 'utf8').catch(() => '')).split('\n').length - 1;
    if (taken < at) {
      expect(result.exitCode, result.stderr).toBe(0);
      break;
    }
    steps += 1;
    expect(result.exitCode).not.toBe(0);
    expect(await bridge.tip()).toBe(task);
    expect(await records(bridge)).toBe(0);
  }
  expect(steps).toBeGreaterThan(1);
  expect(await bridge.tip()).toBe(answer);
  expect(await records(bridge)).toBe(1);
});

test('git, killed between the judgement and moving main, has taken nothing in, and the push works when made again', async () => {
  const { bridge, task, answer, push, restore } = await place('"$node" "$hook" && kill -9 "$PPID"');
  expect((await push()).exitCode).not.toBe(0);
  expect(await bridge.tip()).toBe(task);
  // What it leaves: the quarantine, whose name git does not know any more.
  expect(await readdir(join(bridge.repoPath, 'objects'))).toContainEqual(
    expect.stringMatching(/^tmp_objdir-incoming-/),
  );
  await restore();
  expect((await push()).exitCode).toBe(0);
  expect(await bridge.tip()).toBe(answer);
  expect(await records(bridge)).toBe(1);
});
