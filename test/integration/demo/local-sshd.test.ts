import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type KeyPair, makeKeyPair } from '../../../src/admin/make-key-pair.js';
import { freePort } from '../../../src/demo/free-port.js';
import { type LocalSshd, startLocalSshd } from '../../../src/demo/local-sshd.js';
import { sshCommandFor, sshOptionsFor } from '../../../src/demo/ssh-client.js';
import { listProcesses } from '../../../src/process/process-table.js';
import { cleanEnv } from '../../support/clean-env.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

interface Server {
  readonly dir: string;
  readonly sshd: LocalSshd;
  readonly client: KeyPair;
}

/** An sshd in a folder whose name needs quoting everywhere, and a client whose key runs `command`. */
async function start(command: string): Promise<Server> {
  const dir = join(await tempDir(), "it's 100% & more");
  const authorizedKeysFile = join(dir, 'authorized keys');
  const sshd = await startLocalSshd({ dir, authorizedKeysFile });
  onCleanup(sshd.stop);
  const client = await makeKeyPair(join(dir, 'client'), 'client');
  const publicKey = await readFile(client.publicKeyFile, 'utf8');
  await writeFile(authorizedKeysFile, `restrict,command="${command}" ${publicKey}`);
  return { dir, sshd, client };
}

function ssh(server: Server, identityFile: string): Promise<RunResult> {
  const args = [
    ...sshOptionsFor(server.sshd, identityFile),
    `${server.sshd.user}@${server.sshd.host}`,
    'ignored',
  ];
  return runProcess('ssh', args, { env: cleanEnv(server.dir) });
}

async function isRunning(pid: number): Promise<boolean> {
  return (await listProcesses()).some((entry) => entry.pid === pid);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => socket.destroy()).once('error', () => resolve(false));
    socket.once('close', (hadError) => resolve(!hadError));
  });
}

test('a key gets the output and the exit code of its forced command, and no other', async () => {
  const server = await start('echo forced; exit 7');

  const result = await ssh(server, server.client.identityFile);

  expect(result).toEqual({ exitCode: 7, stdout: 'forced\n', stderr: '' });
});

test('a key that is not in the file is refused', async () => {
  const server = await start('echo forced');
  const stranger = await makeKeyPair(join(server.dir, 'stranger'), 'stranger');

  const result = await ssh(server, stranger.identityFile);

  expect(result.exitCode).toBe(255);
  expect(result.stdout).toBe('');
  expect(result.stderr).toContain('Permission denied (publickey)');
});

test('the ssh command for git is the same words, quoted for a shell', async () => {
  const { sshd } = await start('true');

  const shown = await runProcess('sh', ['-c', `printf '%s|' ${sshCommandFor(sshd, "/it's/100% me")}`], {
    env: cleanEnv('/'),
  });

  expect(shown.stdout.split('|')).toEqual(['ssh', ...sshOptionsFor(sshd, "/it's/100% me"), '']);
});

test('the log names the key of every login', async () => {
  const server = await start('true');

  await ssh(server, server.client.identityFile);

  const log = await readFile(server.sshd.logFile, 'utf8');
  expect(log).toMatch(/Accepted key ED25519 SHA256:\S+ found at .*authorized keys:1/);
});

test('stop leaves no process behind, neither of the server nor of an open connection', async () => {
  // The command ignores the polite signal, and has a child in a session of its own.
  const server = await start("trap '' TERM HUP; setsid sleep 1000 & echo $$ $!; wait; sleep 1000");
  const args = [...sshOptionsFor(server.sshd, server.client.identityFile), `${server.sshd.user}@127.0.0.1`];
  const client = spawn('ssh', args, { env: cleanEnv(server.dir), stdio: ['ignore', 'pipe', 'ignore'] });
  onCleanup(() => void client.kill('SIGKILL'));
  const [said] = (await once(client.stdout, 'data')) as [Buffer];
  const pids = said.toString().trim().split(' ').map(Number);
  expect(pids).toHaveLength(2);
  const clientEnded = once(client, 'exit');

  await server.sshd.stop();

  for (const pid of [server.sshd.pid, ...pids]) expect(await isRunning(pid)).toBe(false);
  expect(await isListening(server.sshd.port)).toBe(false);
  await clientEnded;
});

test('stop can be called twice', async () => {
  const { sshd } = await start('true');

  await Promise.all([sshd.stop(), sshd.stop()]);
  await sshd.stop();

  expect(await isRunning(sshd.pid)).toBe(false);
});

test('a server that comes back on its port has the same host key', async () => {
  const server = await start('echo back');
  const before = await readFile(server.sshd.knownHostsFile, 'utf8');
  await server.sshd.stop();

  const authorizedKeysFile = join(server.dir, 'authorized keys');
  const again = await startLocalSshd({ dir: server.dir, authorizedKeysFile, port: server.sshd.port });
  onCleanup(again.stop);

  expect(await readFile(again.knownHostsFile, 'utf8')).toBe(before);
  expect((await ssh(server, server.client.identityFile)).stdout).toBe('back\n');
});

test('a port that is taken is named in the error', async () => {
  const { sshd, dir } = await start('true');

  const second = startLocalSshd({
    dir: join(dir, 'second'),
    authorizedKeysFile: '/dev/null',
    port: sshd.port,
  });

  await expect(second).rejects.toMatchObject({
    code: 'sshd-failed',
    message: expect.stringContaining('Cannot bind'),
  });
});

test('a configuration that sshd does not take is an error with what it said', async () => {
  const dir = await tempDir();

  const started = startLocalSshd({
    dir,
    authorizedKeysFile: '/dev/null',
    extraConfig: ['NoSuchKeyword yes'],
  });

  await expect(started).rejects.toMatchObject({
    code: 'sshd-failed',
    remedy: expect.stringContaining('sshd.log'),
  });
  expect(await readFile(join(dir, 'sshd.log'), 'utf8')).toContain('NoSuchKeyword');
});

test('the signal ends a running server, and one that is aborted already starts none', async () => {
  const dir = await tempDir();
  const controller = new AbortController();
  const sshd = await startLocalSshd({ dir, authorizedKeysFile: '/dev/null', signal: controller.signal });

  controller.abort(new Error('enough'));

  await waitUntil(async () => !(await isRunning(sshd.pid)), 'the server ends');
  const late = startLocalSshd({ dir, authorizedKeysFile: '/dev/null', signal: controller.signal });
  await expect(late).rejects.toThrow('enough');
});

test('a free port can be listened on', async () => {
  expect(await isListening(await freePort())).toBe(false);
});
