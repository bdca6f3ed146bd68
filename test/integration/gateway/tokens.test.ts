import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { TokenKeeper } from '../../../src/admin/token-keeper.js';
import { addToken } from '../../../src/admin/tokens.js';
import type { BridgeError } from '../../../src/protocol/bridge-error.js';
import { runCliHere } from '../../support/cli-here.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

// SECURITY.md: P36

let bridge: PlainBridge;
let file: string;
beforeAll(async () => {
  bridge = await startPlainBridge();
  file = join(bridge.repoPath, 'bridge', 'tokens.json');
});

const token = (...args: string[]) =>
  runCliHere(['token', ...args, '--repo', bridge.repoPath], { env: bridge.env });

function remedyOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as BridgeError).remedy;
  }
  throw new Error('nothing was refused');
}

describe('a token', () => {
  test('is printed once, kept as a hash that its owner alone can read, and known by its name', async () => {
    const keeper = new TokenKeeper(file);
    expect(keeper.isInUse).toBe(false);
    const added = await token('add', 'bot');
    expect(added).toMatchObject({ exitCode: 0, stderr: '' });
    expect(added.stdout).toMatch(/^llmb_[\w-]{43}\n$/);
    expect(await readFile(file, 'utf8')).not.toContain(added.stdout.trim().slice(5));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(keeper.isInUse).toBe(true);
    expect(keeper.nameOf(added.stdout.trim())).toBe('bot');
    expect(keeper.nameOf(`${added.stdout.trim()}x`)).toBeNull();
    expect(keeper.nameOf('')).toBeNull();
  });

  test('has a name that is taken once, and that a person can list', async () => {
    await token('add', 'second');
    expect(await token('add', 'second')).toMatchObject({ exitCode: 1, stdout: '' });
    expect((await token('list')).stdout).toMatch(/^second\t\d{4}-.*Z$/m);
    expect(await token('add', '../up')).toMatchObject({ exitCode: 2 });
    expect((await token('add', 'constructor')).exitCode).toBe(0);
  });

  test('that was made with another goes with it, and so do those that were made with that one', async () => {
    const nowMs = Date.now();
    await addToken(file, 'page', nowMs);
    const made = await addToken(file, 'n8n', nowMs, 'page');
    const further = await addToken(file, 'script', nowMs, 'n8n');
    const keeper = new TokenKeeper(file);
    expect([made, further].map((one) => keeper.nameOf(one))).toEqual(['n8n', 'script']);
    expect((await token('list')).stdout).toMatch(/^n8n\t\S+Z\tmade with page$/m);
    await expect(addToken(file, 'more', nowMs, 'nobody')).rejects.toMatchObject({ code: 'no-such-token' });
    expect((await token('remove', 'page')).exitCode).toBe(0);
    expect([made, further].map((one) => keeper.nameOf(one))).toEqual([null, null]);
  });

  test('is refused from when it is removed, and without the last one nobody comes in', async () => {
    const { stdout } = await token('add', 'third');
    const keeper = new TokenKeeper(file);
    expect(keeper.nameOf(stdout.trim())).toBe('third');
    expect((await token('remove', 'third')).exitCode).toBe(0);
    expect(keeper.nameOf(stdout.trim())).toBeNull();
    expect(await token('remove', 'third')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('there is no token named third'),
    });
    const names = (await token('list')).stdout.split('\n').flatMap((line) => line.split('\t').slice(0, -1));
    const removed = [];
    for (const name of names) removed.push((await token('remove', name)).stdout);
    expect(removed.at(-1)).toContain('nobody may call');
    expect(keeper.isInUse).toBe(true);
  });
});

test('nobody comes in while the file of tokens cannot be trusted, and its owner is told why', async () => {
  await token('add', 'bot');
  const text = await readFile(file, 'utf8');
  for (const [mode, content, words] of [
    [0o620, text, 'can be written by others'],
    [0o600, `${text}x`, 'is not JSON'],
    [0o600, '{"bot":{"sha256":"0","added_at":"2026-01-01T00:00:00.000Z"}}', 'sha256'],
  ] as const) {
    await writeFile(file, content);
    await chmod(file, mode);
    const keeper = new TokenKeeper(file);
    expect(() => keeper.nameOf('x')).toThrow(words);
    expect(() => keeper.isInUse).toThrow(words);
    expect(await token('list')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('try:') });
  }
});

test('what a remedy says about a file can be pasted, whatever its path has in it', async () => {
  const blank = join(await tempDir(), "my gateway's tokens.json");
  await writeFile(blank, '{}');
  await chmod(blank, 0o666);
  const [, command = 'false'] = /(chmod .*)$/.exec(remedyOf(() => new TokenKeeper(blank).isInUse)) ?? [];
  await runProcess('sh', ['-c', command], { env: process.env });
  expect((await stat(blank)).mode & 0o777).toBe(0o600);
});

test('a bridge that is none gets no file of tokens', async () => {
  const nowhere = join(bridge.dir, 'nowhere.git');
  const { exitCode, stderr } = await runCliHere(['token', 'add', 'bot', '--repo', nowhere], {
    env: bridge.env,
  });
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('there is no repository')]);
  await expect(stat(nowhere)).rejects.toThrow('ENOENT');
});
