import { readFileSync, statSync } from 'node:fs';
import { shellQuote } from '../process/shell-quote.js';

/** Why ssh cannot use the file of a key, and what mends that. */
export interface KeyFault {
  /** The rest of a sentence whose subject is the file: `is empty`. */
  readonly what: string;
  readonly remedy: string;
}

/** A private key has a few kilobytes at most; a larger file is none. Bytes. */
const MAX_KEY_BYTES = 65_536;

/**
 * Looks for the reason why ssh cannot use a private key; null where it seems to be one that only its owner
 * can read. The result tells nothing of its content. Never throws.
 */
export function faultOfKeyFile(file: string): KeyFault | null {
  const quoted = shellQuote(file);
  try {
    const stats = statSync(file);
    if (stats.isDirectory()) {
      return {
        what: 'is a folder',
        remedy: `name the private key in it: ls ${quoted}, then --identity FILE`,
      };
    }
    if (stats.size > MAX_KEY_BYTES) return { what: 'is far too large for a key', remedy: makeOne(quoted) };
    const bytes = readFileSync(file);
    // First, because anybody may read a public half, and no chmod makes a private key of it.
    const half = faultOfPublicHalf(bytes.toString('latin1'), file);
    if (half !== null) return half;
    // ssh does not look into a private key that others can read.
    if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0)
      return { what: 'can be read by others, so ssh does not use it', remedy: `chmod 600 ${quoted}` };
    return faultOfText(bytes, file);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      return { what: 'is not there', remedy: `check the path, or make a key: ${makeOne(quoted)}` };
    return { what: `cannot be read (${code})`, remedy: `see whose it is: ls -l ${quoted}` };
  }
}

/** Whether a private key asks for a passphrase; a program has nobody who could type it. */
export function hasPassphrase(file: string): boolean {
  try {
    const text = readFileSync(file, 'latin1').slice(0, MAX_KEY_BYTES);
    if (/^(?:Proc-Type: 4,ENCRYPTED|-----BEGIN ENCRYPTED PRIVATE KEY-----)/m.test(text)) return true;
    const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\sA-Za-z0-9+/=]+)/.exec(text)?.[1] ?? '';
    // https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key: the cipher follows the magic
    // word.
    const bytes = Buffer.from(body.replace(/\s/g, ''), 'base64');
    const at = 'openssh-key-v1\0'.length;
    if (bytes.length < at + 4) return false;
    return bytes.toString('latin1', at + 4, at + 4 + bytes.readUInt32BE(at)) !== 'none';
  } catch {
    return false;
  }
}

function faultOfPublicHalf(text: string, file: string): KeyFault | null {
  if (!/^(?:ssh-|ecdsa-|sk-)\S+ \S|^---- BEGIN SSH2 PUBLIC KEY|^-----BEGIN (?:RSA )?PUBLIC KEY/.test(text))
    return null;
  return {
    what: 'is the public half of a key',
    remedy: `name the private half, which usually is ${shellQuote(file.replace(/\.pub$/, ''))}${file.endsWith('.pub') ? '' : ' without .pub'}`,
  };
}

function faultOfText(bytes: Buffer, file: string): KeyFault | null {
  const quoted = shellQuote(file);
  if (bytes.length === 0 || bytes.every((byte) => byte === 0))
    return { what: 'is empty', remedy: `bring it from a backup, or make a new key: ${makeOne(quoted)}` };
  if (bytes.includes(0))
    return { what: 'is UTF-16, not plain text', remedy: rewritten('iconv -f UTF-16 -t ASCII', file) };
  if (bytes[0] === 0xef && bytes[1] === 0xbb)
    return { what: 'begins with a byte order mark', remedy: rewritten('tail -c +4', file) };
  const text = bytes.toString('latin1');
  if (text.startsWith('PuTTY-User-Key-File')) {
    return {
      what: 'is a key of PuTTY (.ppk)',
      remedy: `puttygen ${quoted} -O private-openssh -o ${shellQuote(`${file.replace(/\.ppk$/i, '')}.openssh`)}, and name that file`,
    };
  }
  if (!text.includes('-----BEGIN ')) return { what: 'is no key', remedy: makeOne(quoted) };
  if (text.includes('\r'))
    return { what: 'has the line ends of Windows', remedy: rewritten(String.raw`tr -d '\r'`, file) };
  if (!text.endsWith('\n')) return { what: 'lacks its last line break', remedy: `echo >>${quoted}` };
  return null;
}

/** A command that runs the file through a filter and keeps it readable for its owner alone. */
function rewritten(filter: string, file: string): string {
  const [old, fresh] = [shellQuote(file), shellQuote(`${file}.new`)];
  return `${filter} <${old} >${fresh} && chmod 600 ${fresh} && mv ${fresh} ${old}`;
}

function makeOne(quoted: string): string {
  return `ssh-keygen -t ed25519 -f ${quoted}, and on the server "llm-bridge key add" with its .pub`;
}
