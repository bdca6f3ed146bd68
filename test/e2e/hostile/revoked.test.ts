import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../../support/cli.js';
import { startHostileBridge } from '../../support/hostile/hostile-bridge.js';
import { openRawClient, type RawClient } from '../../support/hostile/raw-client.js';
import { buildCommit, pushBytes } from '../../support/hostile/raw-push.js';
import { changes } from '../../support/hostile/refused-case.js';
import { readServerState, serverProcesses } from '../../support/hostile/server-state.js';
import { waitUntil } from '../../support/wait-until.js';

// SECURITY.md: P33

test('a removed key loses its doorbell, its fetch and its push in the middle of them, and nobody else does', async () => {
  const bridge = await startHostileBridge();
  const { fixture } = bridge;
  const { repoPath } = fixture;
  const open = (who: string, command: string): RawClient =>
    openRawClient(fixture, fixture.principal(who), command);
  const notifier = open('home-pc', 'bridge-wait');
  const fetch = open('home-pc', `git-upload-pack '${repoPath}'`);
  const push = open('home-pc', `git-receive-pack '${repoPath}'`);
  const others = open('other-pc', 'bridge-wait');
  await fetch.advertisement();
  await push.advertisement();
  // The pipes to the hooks of its push, not the code of their program, which stays.
  const pipes = async () =>
    (await readdir(join(repoPath, 'bridge'))).filter((name) => /^standby\.[0-9]+\./.test(name));
  await waitUntil(async () => (await pipes()).length === 0, 'the pipes of the push have no names');
  const before = readServerState(repoPath);
  const built = buildCommit(bridge);
  const bytes = pushBytes({ commands: [built.command], entries: built.objects });
  push.send(bytes.subarray(0, bytes.length - 50));
  const isRinging = async (who: string) =>
    serverProcesses(repoPath, who).some(({ command }) => command.startsWith('tail '));
  await waitUntil(
    async () => (await isRinging('home-pc')) && (await isRinging('other-pc')),
    'both doorbells',
  );
  await waitUntil(
    async () => serverProcesses(repoPath, 'home-pc').some(({ command }) => command.includes('unpack')),
    'the push is in its pack',
  );

  const keys = ['--authorized-keys', fixture.authorizedKeysFile, '--repo', repoPath];
  const removed = await runCli(['key', 'remove', 'home-pc', ...keys], { env: fixture.ownerEnv });

  expect(removed).toMatchObject({ exitCode: 0 });
  expect(serverProcesses(repoPath, 'home-pc')).toEqual([]);
  await Promise.all([notifier.closed, fetch.closed, push.closed]);
  expect(await isRinging('other-pc')).toBe(true);
  expect(changes(before, readServerState(repoPath))).toEqual(['-bridge/principals/home-pc']);
  others.kill();
  expect(await readFile(fixture.authorizedKeysFile, 'utf8')).not.toContain('llm-bridge:home-pc');
});

test('a connection that was opened before gets no new command', async () => {
  const bridge = await startHostileBridge();
  const { fixture } = bridge;
  const who = fixture.principal('home-pc');
  const socket = `${fixture.dir}/c`;
  const master = ['-o', 'ControlMaster=yes', '-o', `ControlPath=${socket}`, '-o', 'ControlPersist=no'];
  const first = openRawClient(fixture, who, 'bridge-wait', { sshArgs: master });
  await waitUntil(async () => serverProcesses(fixture.repoPath, 'home-pc').length > 0, 'the doorbell runs');
  const again = (command: string) => {
    const client = openRawClient(fixture, who, command, { sshArgs: ['-o', `ControlPath=${socket}`] });
    client.end();
    return client.closed;
  };
  expect((await again('bridge-hello')).exitCode).toBe(0);
  // The master must outlive its first command: another one on it keeps it open.
  const keys = ['--authorized-keys', fixture.authorizedKeysFile, '--repo', fixture.repoPath];
  await runCli(['key', 'remove', 'home-pc', ...keys], { env: fixture.ownerEnv });

  for (const command of ['bridge-hello', 'bridge-wait', `git-upload-pack '${fixture.repoPath}'`]) {
    const { exitCode, text } = await again(command);
    expect(exitCode).not.toBe(0);
    expect(text).toMatch(/not known here, or was removed|Permission denied/);
  }
  first.kill();
});
