import { expect, test } from 'vitest';
import { requireGit } from '../../../src/git/git-version.js';
import { gitText, runGit, spawnGit, streamGit } from '../../../src/git/run-git.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { tempDir } from '../../support/temp-dir.js';

test('a non-zero exit is a result, with what git said', async () => {
  const repo = await bareBridge();
  const result = await runGit(repo, ['rev-parse', '--verify', 'nope']);
  expect(result).toMatchObject({ exitCode: 128, stderr: expect.stringContaining('fatal:') });
});

test('where only success will do, the error names the command and the last line of git', async () => {
  const repo = await bareBridge();
  await expect(gitText(repo, ['cat-file', 'blob', 'nope'])).rejects.toMatchObject({
    code: 'git-failed',
    message: expect.stringMatching(/^git cat-file failed with exit code 128: fatal: .*nope/),
  });
});

test('a git that was killed is another matter than one that failed: it may be run again', async () => {
  const repo = await bareBridge();
  const killed = ['-c', 'alias.die=!kill -KILL $PPID', 'die'];
  const error = { code: 'git-killed', retryable: true, message: 'git -c was ended by SIGKILL' };
  await expect(gitText(repo, killed)).rejects.toMatchObject(error);
  await expect(streamGit(repo, killed).next()).rejects.toMatchObject(error);
  await expect(gitText(repo, ['cat-file', 'blob', 'nope'])).rejects.toMatchObject({ retryable: false });
});

test('without git the error says what to install', async () => {
  const env = { PATH: await tempDir() };
  for (const attempt of [spawnGit(['--version'], env), requireGit(env)]) {
    await expect(attempt).rejects.toMatchObject({
      code: 'no-git',
      message: 'git was not found',
      remedy: expect.stringMatching(/install git 2\.39 or newer.*PATH/),
    });
  }
});

test('bytes go in and come out as they are, and a git that does not read its input is no error', async () => {
  const repo = await bareBridge();
  const bytes = Buffer.from([0, 255, 10, 13, 128]);
  const id = (await gitText(repo, ['hash-object', '-w', '--stdin'], { input: bytes })).trim();
  expect((await runGit(repo, ['cat-file', 'blob', id])).stdout).toEqual(bytes);
  const unread = await runGit(repo, ['rev-parse', '--is-bare-repository'], {
    input: Buffer.alloc(4_000_000),
  });
  expect(unread.exitCode).toBe(0);
});

test('an abort ends git and rejects', async () => {
  const repo = await bareBridge();
  const controller = new AbortController();
  const waiting = runGit(repo, ['-c', 'alias.wait=!sleep 600', 'wait'], { signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toThrow(/abort/i);
});
