import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { asUtf8 } from '../protocol/as-utf8.js';
import { BridgeError } from '../protocol/bridge-error.js';

/** The key types OpenSSH accepts in `authorized_keys`, except the outdated ssh-dss. */
const KEY_TYPES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
];

/** A public SSH key. */
export interface PublicKey {
  readonly type: string;
  /** Base64, as in the file. */
  readonly blob: string;
}

/**
 * Reads a key as `--key` gives it: the text of a public key, or the name of its file. Throws BridgeError as
 * readPublicKey does, and `bad-key` for a text that begins as a key does and is none.
 */
export async function publicKeyOf(given: string): Promise<PublicKey> {
  const text = given.trim();
  if (!KEY_TYPES.some((type) => text.startsWith(`${type} `))) return readPublicKey(given);
  const key = text.includes('\n') ? null : parsePublicKey(text);
  if (key === null)
    throw badKey('the text of --key is cut off, or more than one key', 'paste the whole line, in quotes');
  return key;
}

/**
 * Reads a `.pub` file: one key, nothing else. Throws BridgeError `bad-key` for a private key, several keys,
 * a line with options, or anything else; `no-key-file` where the file cannot be read.
 */
async function readPublicKey(file: string): Promise<PublicKey> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new BridgeError(`cannot read the key file ${file} (${cause.code ?? cause.message})`, {
      code: 'no-key-file',
      remedy:
        'on the machine that will use the key: ssh-keygen -t ed25519 -f llm-bridge; copy llm-bridge.pub here',
      cause,
    });
  });
  // PowerShell's ">" makes UTF-16 of a key.
  const text = asUtf8(bytes, file).toString('utf8');
  if (/PRIVATE KEY/.test(text)) {
    throw badKey(`${file} is a private key, which should never leave its machine`, `give ${file}.pub`);
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const [line] = lines;
  if (line === undefined || lines.length > 1) {
    throw badKey(`${file} has ${lines.length} keys`, 'give a .pub file with exactly one');
  }
  return parsePublicKey(line) ?? fail(file);
}

/**
 * Reads `<type> <base64> [comment]`; null where it is none, also where the base64 names another type than
 * the text.
 */
export function parsePublicKey(line: string): PublicKey | null {
  const [type = '', blob = ''] = line.trim().split(/\s+/);
  if (!KEY_TYPES.includes(type) || !/^[A-Za-z0-9+/]+={0,2}$/.test(blob)) return null;
  const fields = readFields(Buffer.from(blob, 'base64'));
  return fields !== null && fields.length > 1 && fields[0]?.toString('latin1') === type
    ? { type, blob }
    : null;
}

/**
 * The fields of a key blob, each after its length (RFC 4251); null where the blob is cut off, as sshd would
 * find it.
 */
function readFields(bytes: Buffer): Buffer[] | null {
  const fields: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return null;
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) return null;
    fields.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

/** `SHA256:…` as `ssh-keygen -l` prints it. */
export function fingerprint(key: PublicKey): string {
  const digest = createHash('sha256').update(Buffer.from(key.blob, 'base64')).digest('base64');
  return `SHA256:${digest.replaceAll('=', '')}`;
}

function fail(file: string): never {
  throw badKey(
    `${file} is not a public SSH key`,
    'give the .pub file that ssh-keygen made (ed25519, ecdsa or rsa)',
  );
}

function badKey(message: string, remedy: string): BridgeError {
  return new BridgeError(message, { code: 'bad-key', remedy });
}
