import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clientGitEnv } from '../../../src/git/git-env.js';
import {
  checkSoundness,
  readGitVersion,
  readLocalConfig,
  readLog,
  readRemoteRef,
  writeLocalConfig,
} from '../../../src/git/porcelain.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { cleanEnv } from '../../support/clean-env.js';
import { runCli } from '../../support/cli.js';
import { startPlainBridge } from '../../support/plain-bridge.js';
import { tempDir } from '../../support/temp-dir.js';

const MAIN = 'refs/heads/main';

/** Settings as a user gives them by variables, the only ones that simple-git would drop. */
function withSettings(env: NodeJS.ProcessEnv, ...settings: readonly [key: string, value: string][]) {
  const given = settings.flatMap(([key, value], at) => [
    [`GIT_CONFIG_KEY_${at}`, key],
    [`GIT_CONFIG_VALUE_${at}`, value],
  ]);
  return clientGitEnv({ ...env, GIT_CONFIG_COUNT: String(settings.length), ...Object.fromEntries(given) });
}

test('the version is told, and a missing git is told as that', async () => {
  const env = clientGitEnv(cleanEnv(await tempDir()));
  expect(await readGitVersion(env)).toMatch(/^git version 2\./);
  await expect(readGitVersion({ ...env, PATH: await tempDir() })).rejects.toMatchObject({ code: 'no-git' });
});

test('settings are written with all their values and read back, also where git may not find the repository itself', async () => {
  const { gitDir, env } = await bareBridge();
  const repo = { gitDir, env: withSettings(env, ['safe.bareRepository', 'explicit'], ['bridge.mine', 'no']) };
  await writeLocalConfig(repo, 'transfer.hideRefs', ['refs/a', 'refs/b']);
  await writeLocalConfig(repo, 'bridge.taskTtl', ['7d']);
  await writeLocalConfig(repo, 'transfer.hideRefs', ['refs/c', 'refs/d \n"x"', 'refs/e']);
  const all = await readLocalConfig(repo);
  expect(all.get('transfer.hiderefs')).toEqual(['refs/c', 'refs/d \n"x"', 'refs/e']);
  expect(all.get('bridge.taskttl')).toEqual(['7d']);
  // They are the user's, not the repository's.
  expect([all.has('bridge.mine'), all.has('safe.barerepository')]).toEqual([false, false]);
});

test('what git refuses is an error, also where it refuses without a word', async () => {
  const repo = await bareBridge();
  await expect(writeLocalConfig(repo, 'no section', ['x'])).rejects.toMatchObject({ code: 'git-failed' });
  await writeFile(join(repo.gitDir, 'config'), '[');
  await expect(readLocalConfig(repo)).rejects.toMatchObject({ code: 'git-failed' });
  const fake = await tempDir();
  await writeFile(join(fake, 'git'), '#!/bin/sh\nexit 7\n', { mode: 0o755 });
  const env = { ...repo.env, PATH: `${fake}:${repo.env.PATH}` };
  await expect(readLocalConfig({ ...repo, env })).rejects.toMatchObject({
    code: 'git-failed',
    message: 'git config failed with exit code 7',
  });
});

test('a main that lacks an object is damaged, what main does not need is not looked at, and an abort knows nothing', async () => {
  const repo = await bareBridge();
  const blob = await repo.git(['hash-object', '-w', '--stdin'], 'asked');
  const tree = await repo.git(['mktree'], `100644 blob ${blob}\ttask.txt\n`);
  const commit = await repo.git(['commit-tree', tree, '-p', MAIN, '-m', 'x']);
  await repo.git(['update-ref', MAIN, commit]);
  const broken = join(repo.gitDir, 'refs', 'bridge', 'claims');
  await repo.git(['update-ref', 'refs/bridge/claims/x', blob]);
  await writeFile(join(broken, 'x'), '');
  const within = AbortSignal.timeout(60_000);
  expect(await checkSoundness(repo, MAIN, within)).toEqual({ status: 'sound' });
  await rm(join(repo.gitDir, 'objects', blob.slice(0, 2), blob.slice(2)));
  expect(await checkSoundness(repo, MAIN, within)).toMatchObject({
    status: 'damaged',
    said: expect.stringContaining(blob),
  });
  expect(await checkSoundness(repo, MAIN, AbortSignal.abort())).toEqual({ status: 'unknown' });
});

test('a ref elsewhere is read by the settings that the user gives in variables', async () => {
  const { gitDir, env, git } = await bareBridge();
  const there = withSettings(env, [`url.${gitDir}.insteadOf`, 'the-bridge:']);
  expect(await readRemoteRef(there, 'the-bridge:', MAIN)).toBe(await git(['rev-parse', MAIN]));
  expect(await readRemoteRef(there, 'the-bridge:', 'refs/heads/none')).toBeNull();
  await expect(readRemoteRef(there, join(gitDir, 'none'), MAIN)).rejects.toMatchObject({
    code: 'no-such-repository',
  });
});

test('the log of main is told from its first commit on', async () => {
  const repo = await bareBridge();
  const tree = await repo.git(['rev-parse', `${MAIN}^{tree}`]);
  const next = await repo.git(['commit-tree', tree, '-p', MAIN, '-m', 'second']);
  await repo.git(['update-ref', MAIN, next]);
  expect(await readLog(repo, MAIN, '%s')).toBe('init\nsecond\n');
});

test('no question, answer or push waits for simple-git to load', async () => {
  const bridge = await startPlainBridge({ principals: { bot: 'asker' } });
  const hooks =
    'export const resolve = (name, context, next) => { if (name === "simple-git") throw new Error("simple-git is loaded"); return next(name, context); };';
  const preload = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});`;
  const env = {
    ...bridge.env,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}`,
  };
  const ran = (...args: string[]) => runCli(args, { env });
  // The check can fail: init runs porcelain.
  expect((await ran('init', bridge.repoPath)).stderr).toContain('simple-git is loaded');
  const state = ['--repo', bridge.repoPath];
  expect(await ran('ask', '2+2', '--no-wait', ...state)).toMatchObject({ exitCode: 0, stderr: '' });
  const agent = await ran(
    'agent',
    '--once',
    '--state-dir',
    join(bridge.dir, 'state'),
    ...state,
    '--retry-for',
    '0s',
  );
  expect(agent.stderr).not.toContain('simple-git');
  // A hook is one file with all that it can load.
  const folder = new URL('../../../dist/hooks/', import.meta.url);
  for (const name of await readdir(folder))
    expect(await readFile(new URL(name, folder), 'utf8'), name).not.toMatch(/require\("simple-git"\)/);
});
