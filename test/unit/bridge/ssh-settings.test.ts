import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/bridge/address.js';
import { runSsh } from '../../../src/bridge/run-ssh.js';
import { sshCommandOf } from '../../../src/bridge/ssh-settings.js';
import { cleanEnv } from '../../support/clean-env.js';
import { tempDir } from '../../support/temp-dir.js';

const OURS =
  '-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=10 -o ServerAliveCountMax=3 -o RemoteCommand=none -o RequestTTY=no -o PermitLocalCommand=no -o VisualHostKey=no -o ClearAllForwardings=yes';

test('without a command of the user it is ssh that never asks and notices a dead network', async () => {
  const { text, words } = await sshCommandOf(cleanEnv(await tempDir()), {});
  expect(text).toBe(`ssh ${OURS}`);
  expect(words?.join(' ')).toBe(text);
});

test('an identity is the only one, and a path with spaces and quotes stays one word', async () => {
  const identity = "/home/me/my 'own' key";
  const { text, words } = await sshCommandOf(cleanEnv(await tempDir()), { identity, acceptNewHostKey: true });
  const said = execFileSync('sh', ['-c', `set -- ${text}; printf '%s\\n' "$@"`], { encoding: 'utf8' });
  expect(said.trimEnd().split('\n')).toEqual(words);
  expect(words?.slice(-6)).toEqual([
    '-i',
    identity,
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'StrictHostKeyChecking=accept-new',
  ]);
});

test('ssh reads a path with a percent sign as it was given', async () => {
  const dir = await tempDir();
  const identity = path.join(dir, `%h 100% "q" \\ k`);
  await writeFile(identity, '');
  const { text, words } = await sshCommandOf(cleanEnv(dir), { identity });
  const config = execFileSync('sh', ['-c', `${text} -v -F none -G server 2>&1`], { encoding: 'utf8' });
  expect(config).toContain(`\nidentityfile ${identity.replaceAll('%', '%%')}\n`);
  expect(words).toContain('IdentitiesOnly=yes');
});

test('an identity that is no absolute path is one from here', async () => {
  const { words } = await sshCommandOf(cleanEnv(await tempDir()), { identity: 'key' });
  expect(words).toContain(path.resolve('key'));
});

test("the user's own command comes first: the environment, the configuration, then GIT_SSH, as git orders them", async () => {
  const home = await tempDir();
  const config = path.join(home, 'gitconfig');
  await writeFile(config, '[core]\n\tsshCommand = ssh -i config\n');
  const all = {
    ...cleanEnv(home),
    GIT_SSH_COMMAND: 'ssh -i env',
    GIT_SSH: '/bin/my ssh/ssh',
    GIT_CONFIG_GLOBAL: config,
  };
  expect((await sshCommandOf(all, {})).text).toBe(`ssh -i env ${OURS}`);
  expect((await sshCommandOf({ ...all, GIT_SSH_COMMAND: '' }, {})).text).toBe(`ssh -i config ${OURS}`);
  const last = await sshCommandOf({ ...cleanEnv(home), GIT_SSH: '/bin/my ssh/ssh' }, {});
  expect(last).toEqual({ text: `'/bin/my ssh/ssh' ${OURS}`, words: null, isOpenSsh: true });
});

test.each([
  'plink -batch',
  '"C:\\Program Files\\PuTTY\\plink.exe"',
  'tortoiseplink',
  '/opt/sshd-wrapper',
  'my-ssh',
])('%s takes other options and stays as it is', async (command) => {
  const env = { ...cleanEnv(await tempDir()), GIT_SSH_COMMAND: command };
  expect((await sshCommandOf(env, { identity: 'key' })).text).toBe(command);
});

test.each([
  'ssh -v',
  '/usr/bin/ssh',
  'env A=1 ssh',
  '"/usr/bin/ssh" -p 2',
  'C:\\OpenSSH\\ssh.exe',
  'sshpass -e ssh',
])('%s is OpenSSH and gets our options behind its own', async (command) => {
  const env = { ...cleanEnv(await tempDir()), GIT_SSH_COMMAND: command };
  expect((await sshCommandOf(env, {})).text).toBe(`${command} ${OURS}`);
});

/** An address, and an ssh that tells its arguments, or does what `script` says. */
async function connectionTo(url: string, script = 'printf \'%s\\n\' "$@"') {
  const dir = path.join(await tempDir(), 'my tools');
  await mkdir(dir);
  const program = path.join(dir, 'ssh');
  await writeFile(program, `#!/bin/sh\n${script}\n`);
  await chmod(program, 0o755);
  const env = { ...cleanEnv(dir), GIT_SSH_COMMAND: `'${program}' -F none` };
  const address = parseAddress(url);
  if (address.kind !== 'ssh') throw new Error('not over ssh');
  return { address, ssh: await sshCommandOf(env, {}), env };
}

test('a command is run there with the port and behind a double dash', async () => {
  const connection = await connectionTo('ssh://bridge@server:2222/b.git');
  const result = await runSsh(connection, 'bridge-hello', { timeoutMs: 20_000 });
  expect(result.exitCode).toBe(0);
  expect(result.stdout.trimEnd().split('\n').join(' ')).toBe(
    `-F none ${OURS} -p 2222 -- bridge@server bridge-hello`,
  );
});

test('an exit code and what was said are a result, and an ssh that takes too long is one that timed out', async () => {
  const failed = await runSsh(await connectionTo('server:b', 'echo no >&2; exit 3'), 'x', {
    timeoutMs: 20_000,
  });
  expect(failed).toEqual({ exitCode: 3, stdout: '', stderr: 'no\n' });
  const slow = await runSsh(await connectionTo('server:b', 'exec sleep 600'), 'x', { timeoutMs: 100 });
  expect(slow).toMatchObject({ exitCode: 255, stderr: expect.stringContaining('Connection timed out') });
});

test('an abort ends ssh, also one from before it was started', async () => {
  const connection = await connectionTo('server:b', 'exec sleep 600');
  const controller = new AbortController();
  const running = runSsh(connection, 'x', { timeoutMs: 600_000, signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
  await expect(runSsh(connection, 'x', { timeoutMs: 600_000, signal: controller.signal })).rejects.toThrow(
    'enough',
  );
});
