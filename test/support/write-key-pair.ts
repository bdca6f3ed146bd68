import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { KeyPair } from '../../src/admin/make-key-pair.js';

/** What the private half is padded to. */
const BLOCK = 8;

/**
 * Makes an Ed25519 key without a passphrase, as makeKeyPair does (`file` and `file.pub`), without a start of
 * ssh-keygen: every bridge with an sshd has three keys.
 */
export async function writeKeyPair(file: string, comment: string): Promise<KeyPair> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
  const type = lengthFirst('ssh-ed25519');
  const open = Buffer.concat([type, lengthFirst(point)]);
  const check = randomBytes(4);
  const secret = Buffer.concat([
    ...[check, check, open],
    ...[lengthFirst(Buffer.concat([seed, point])), lengthFirst(comment)],
  ]);
  const padding = Buffer.from(Array.from({ length: -secret.length & (BLOCK - 1) }, (_, at) => at + 1));
  const whole = Buffer.concat([
    ...[Buffer.from('openssh-key-v1\0'), lengthFirst('none'), lengthFirst('none'), lengthFirst('')],
    ...[number(1), lengthFirst(open), lengthFirst(Buffer.concat([secret, padding]))],
  ]);
  const name = 'OPENSSH PRIVATE KEY';
  const lines = whole.toString('base64').replace(/.{70}(?=.)/g, '$&\n');
  await writeFile(file, `-----BEGIN ${name}-----\n${lines}\n-----END ${name}-----\n`, { mode: 0o600 });
  const publicKeyFile = `${file}.pub`;
  await writeFile(publicKeyFile, `ssh-ed25519 ${open.toString('base64')} ${comment}\n`);
  return { identityFile: file, publicKeyFile };
}

/** A string of the protocol of ssh. */
function lengthFirst(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([number(bytes.length), bytes]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
