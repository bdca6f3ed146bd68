import { runProgram } from '../process/run-program.js';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError, errorText } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';

/** The two files of a key pair. */
export interface KeyPair {
  readonly identityFile: string;
  readonly publicKeyFile: string;
}

/** What a client needs to reach a server. */
export interface SshEndpoint {
  readonly port: number;
  readonly knownHostsFile: string;
}

/**
 * Makes an Ed25519 key without a passphrase: `file` and `file.pub`. Throws BridgeError `ssh-keygen` where the
 * program is missing, or the file exists already.
 */
export async function makeKeyPair(file: string, comment: string): Promise<KeyPair> {
  const command = ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file] as const;
  // ssh-keygen asks before it overwrites a file, and ends where nobody answers.
  const said = await runProgram(command, { env: process.env, output: { merged: true } }).then(
    ({ exitCode, stdout }) => (exitCode === 0 ? null : stdout.toString('utf8')),
    errorText,
  );
  if (said === null) return { identityFile: file, publicKeyFile: `${file}.pub` };
  throw new BridgeError(`no key could be made in ${file}: ${oneLine(said)}`, {
    code: 'ssh-keygen',
    remedy: 'install the OpenSSH client, and see that the folder is writable and has no such file yet',
  });
}

/**
 * The ssh command that reaches `server` with one key and nothing of the user's own configuration, agent or
 * known hosts; quoted for a shell, as `GIT_SSH_COMMAND` takes it. It carries the port, so
 * `user@127.0.0.1:path` works with it as well.
 */
export function sshCommandFor(server: SshEndpoint, identityFile: string): string {
  return ['ssh', ...sshOptionsFor(server, identityFile)].map(shellQuote).join(' ');
}

/** The same as a list of arguments for `spawn`. */
export function sshOptionsFor(server: SshEndpoint, identityFile: string): string[] {
  const options = [
    // Not -i, which looks for the file before it expands `%%`.
    `IdentityFile=${tokenPath(identityFile)}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `UserKnownHostsFile=${tokenPath(server.knownHostsFile)}`,
    'GlobalKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
  ];
  return ['-F', '/dev/null', '-p', String(server.port), ...options.flatMap((option) => ['-o', option])];
}

/** A path as a value in ssh_config and sshd_config, in quotes for its spaces. */
export function configPath(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&')}"`;
}

/** The same for a keyword that expands tokens, which start with `%`. */
export function tokenPath(path: string): string {
  return configPath(path.replaceAll('%', '%%'));
}
