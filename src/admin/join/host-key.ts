import { appendFile, mkdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runSsh, type SshConnection } from '../../bridge/run-ssh.js';
import { readSshConfig } from '../../bridge/ssh-config.js';
import { withOptions } from '../../bridge/ssh-settings.js';
import { classifyGitFailure } from '../../git/git-failure.js';
import { gitMeant } from '../../git/git-meaning.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { fingerprint, parsePublicKey } from '../public-key.js';

/** What is known of the host key of a server. */
export type HostKey =
  | {
      /** `accepted` for one that was new, and that ssh was told to trust unseen. */
      readonly status: 'known' | 'accepted';
    }
  | {
      readonly status: 'new';
      /** `ED25519 SHA256:…`, as `ssh-keygen -l` prints them. */
      readonly fingerprint: string;
      /** The line for `known_hosts`. */
      readonly line: string;
      /** The file that ssh reads for this server. Absolute. */
      readonly knownHostsFile: string;
    };

/** For a connect, a handshake on a slow link and a busy server. Milliseconds. */
const LOGIN_TIMEOUT_MS = 45_000;

/**
 * Looks whether ssh knows the server, and learns its key where it does not, by ssh's own way there, whatever
 * is in between. `dir` is a folder for temporary files. Nothing is trusted yet. Throws BridgeError as
 * classifyGitFailure does: `ssh-host-key` where the key has changed, `unreachable`, `ssh-host`.
 */
export async function learnHostKey(connection: SshConnection, dir: string): Promise<HostKey> {
  const first = await runSsh(connection, 'bridge-hello', { timeoutMs: LOGIN_TIMEOUT_MS, alone: true });
  const isUnknown = first.exitCode === 255 && gitMeant('host-key-unknown', first.stderr);
  if (!isUnknown || gitMeant('host-key-changed', first.stderr)) {
    const failure = first.exitCode === 255 ? classifyGitFailure('connect', first.stderr) : null;
    // After the host key, it may be our own key that fails, which is no matter here.
    if (failure !== null && failure.code !== 'ssh-auth' && failure.code !== 'ssh-identity') throw failure;
    return { status: gitMeant('host-key-accepted', first.stderr) ? 'accepted' : 'known' };
  }
  const learned = path.join(dir, 'learned');
  const learning = [
    ...['-o', `UserKnownHostsFile="${learned}"`, '-o', 'GlobalKnownHostsFile=/dev/null'],
    ...['-o', 'StrictHostKeyChecking=accept-new', '-o', 'HashKnownHosts=no'],
  ];
  const { ssh, env, address } = connection;
  // ssh takes the first value of an option, so ours stand before what its files say.
  const said = await runSsh({ address, env, ssh: withOptions(ssh, learning) }, 'bridge-hello', {
    timeoutMs: LOGIN_TIMEOUT_MS,
    alone: true,
  });
  const line = (await readFile(learned, 'utf8').catch(() => '')).trim();
  const key = parsePublicKey(line.slice(line.indexOf(' ') + 1));
  if (key === null || line.includes('\n')) throw classifyGitFailure('connect', said.stderr);
  const [kind = ''] = key.type.replace(/^(?:sk-)?ssh-/, '').split(/[-@]/);
  return {
    status: 'new',
    fingerprint: `${kind.toUpperCase()} ${fingerprint(key)}`,
    line,
    knownHostsFile: await knownHostsOf(connection),
  };
}

/** Trusts a host key from now on. Throws BridgeError `no-permission` where it cannot be written down. */
export async function trustHostKey({
  line,
  knownHostsFile,
}: Extract<HostKey, { status: 'new' }>): Promise<void> {
  try {
    await mkdir(path.dirname(knownHostsFile), { recursive: true, mode: 0o700 });
    const before = await readFile(knownHostsFile, 'utf8').catch(() => '');
    const separator = before === '' || before.endsWith('\n') ? '' : '\n';
    await appendFile(knownHostsFile, `${separator}${line}\n`, { mode: 0o600 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new BridgeError(`cannot write ${knownHostsFile} (${code ?? message})`, {
      code: 'no-permission',
      remedy: `make it writable, or add this line by hand: ${line}`,
      cause,
    });
  }
}

async function knownHostsOf(connection: SshConnection): Promise<string> {
  const fields = await readSshConfig(connection);
  const first = fields?.get('userknownhostsfile')?.split(' ')[0]?.replaceAll('"', '') ?? '';
  if (first !== '' && first !== 'none' && first !== '/dev/null') return first.replace(/^~/, os.homedir());
  return path.join(os.homedir(), '.ssh', 'known_hosts');
}
