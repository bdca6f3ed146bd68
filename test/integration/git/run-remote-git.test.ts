import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fetchMain, listRemoteRefs } from '../../../src/git/fetch.js';
import { clientGitEnv } from '../../../src/git/git-env.js';
import type { Repository } from '../../../src/git/run-git.js';
import { runRemoteGit } from '../../../src/git/run-remote-git.js';
import { waitUntil } from '../../support/wait-until.js';
import { bridgeAndClone } from './remote-fixture.js';

test('the ssh command of the user is the one that is run, with the rest of the environment', async () => {
  const { bridge, clone } = await bridgeAndClone();
  const log = join(bridge.dir, 'ssh.log');
  const ssh = join(bridge.dir, 'my ssh');
  await writeFile(ssh, `#!/bin/sh\necho "$MARK $*" >>'${log}'\nfor last; do :; done\neval "$last"\n`);
  await chmod(ssh, 0o755);
  const env = clientGitEnv({ ...bridge.env, MARK: 'mark', GIT_SSH_VARIANT: 'ssh' }, `'${ssh}' -F none`);
  expect(await fetchMain({ ...clone, env }, `bridge@server:${bridge.gitDir}`)).toBe('fetched');
  expect(await readFile(log, 'utf8')).toMatch(/^mark -F none .*bridge@server git-upload-pack '/);
});

test('a git that is silent for too long is ended, and that is a connection that may come back', async () => {
  const { bridge, clone } = await bridgeAndClone();
  const env = clientGitEnv({ ...bridge.env, GIT_SSH_VARIANT: 'ssh' }, 'exec sleep 600 #');
  const result = await runRemoteGit({ ...clone, env }, ['fetch', 'server:x'], undefined, 300);
  expect(result.exitCode).not.toBe(0);
  expect(result.stderr).toMatch(/Connection timed out/);
});

test.each([
  ['a fetch', (clone: Repository, signal: AbortSignal) => fetchMain(clone, 'server:x', {}, signal)],
  ['a look', (clone: Repository, signal: AbortSignal) => listRemoteRefs(clone, 'server:x', true, signal)],
])('an abort ends %s with all that it has started, and rejects', async (_what, start) => {
  const { bridge, clone } = await bridgeAndClone();
  const started = join(bridge.dir, 'started');
  // Like an ssh on a dead network: it does not notice that git is gone.
  const ssh = `trap '' HUP PIPE; echo $$ >'${started}.new'; mv '${started}.new' '${started}'; exec sleep 600 #`;
  const env = clientGitEnv({ ...bridge.env, GIT_SSH_VARIANT: 'ssh' }, ssh);
  const controller = new AbortController();
  const asking = start({ ...clone, env }, controller.signal);
  asking.catch(() => {});
  const pid = Number(await waitUntil(() => readFile(started, 'utf8').catch(() => null), 'ssh to be started'));
  controller.abort();
  await expect(asking).rejects.toThrow(/abort/i);
  await waitUntil(() => !isAlive(pid), 'the end of ssh');
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
