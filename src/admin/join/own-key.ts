import { mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { faultOfKeyFile } from '../../git/key-file.js';
import { shellQuote } from '../../process/shell-quote.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { makeKeyPair } from '../make-key-pair.js';
import { parsePublicKey } from '../public-key.js';

/** The key with which this machine comes in. */
export interface OwnKey {
  /** The private half. Absolute. */
  readonly identityFile: string;
  /** The public half as it stands in its file: type, base64, comment; one line. */
  readonly publicKey: string;
  readonly isNew: boolean;
}

/**
 * The key of this machine for one bridge, made where it is missing. It must open nothing else: sshd heeds
 * only the first line of a key, so one that opens a login could not open a bridge. Throws BridgeError
 * `ssh-identity` for a file that is no key, `bad-key` where its public half is missing or no key,
 * `ssh-keygen`.
 */
export async function ownKey(identityFile: string, name: string): Promise<OwnKey> {
  const file = path.resolve(identityFile);
  const isNew = (await stat(file).catch(() => null)) === null;
  if (isNew) {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await makeKeyPair(file, name);
  }
  const fault = faultOfKeyFile(file);
  if (fault !== null)
    throw new BridgeError(`${file} ${fault.what}`, { code: 'ssh-identity', remedy: fault.remedy });
  const text = await readFile(`${file}.pub`, 'utf8').catch(() => '');
  const line = text.trim();
  if (line.includes('\n') || parsePublicKey(line) === null)
    throw new BridgeError(`${file}.pub is not the public half of a key`, {
      code: 'bad-key',
      remedy: `write it from the private half: ssh-keygen -y -f ${shellQuote(file)} >${shellQuote(`${file}.pub`)}`,
    });
  return { identityFile: file, publicKey: line, isNew };
}
