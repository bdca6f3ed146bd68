import { runProgram } from '../process/run-program.js';
import { BridgeError, errorText } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';

/** The two files of a key pair. */
export interface KeyPair {
  readonly identityFile: string;
  readonly publicKeyFile: string;
}

/**
 * Makes an Ed25519 key without a passphrase: `file` and `file.pub`. Throws BridgeError `ssh-keygen` where
 * the program is missing, or the file exists already.
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
