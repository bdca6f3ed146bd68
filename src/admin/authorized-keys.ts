import { mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { fingerprint, type PublicKey, parsePublicKey } from './public-key.js';

/** A line of `authorized_keys` that lets a key into a bridge. */
export interface BridgeKeyLine {
  readonly name: string;
  readonly key: PublicKey;
  /** The whole line, without its line break, one character a byte. */
  readonly line: string;
}

/** The line for a key: no terminal, no forwarding, nothing but the forced command of this bridge. */
export function formatKeyLine(repoPath: string, name: string, key: PublicKey): string {
  return `restrict,command="${forcedCommand(repoPath, name, key)}" ${key.type} ${key.blob} llm-bridge:${name}`;
}

/**
 * Rewrites a line of an older version, whose forced command does not name the key; returns any other line
 * unchanged.
 */
export function withFingerprint({ name, key, line }: BridgeKeyLine, repoPath: string): string {
  const old = toBytes(`command="${forcedCommand(repoPath, name)}"`);
  return line.replace(old, () => toBytes(`command="${forcedCommand(repoPath, name, key)}"`));
}

const COMMAND = 'command="';

/**
 * The lines of `text` that belong to the bridge at `repoPath`. A line that is commented out lets nobody in.
 */
export function findKeyLines(text: string, repoPath: string): BridgeKeyLine[] {
  const found: BridgeKeyLine[] = [];
  for (const line of text.split('\n')) {
    if (isComment(line)) continue;
    const start = line.indexOf(COMMAND) + COMMAND.length;
    const end = line.indexOf('"', start);
    const space = line.indexOf(' ', end);
    if (start < COMMAND.length || end < 0 || space < 0) continue;
    const key = parsePublicKey(line.slice(space + 1));
    // The fingerprint need not be that of the key: a line that was tampered with still belongs to this
    // bridge.
    const command = line.slice(start, end).replace(/ SHA256:\S+$/, '');
    const name = /\/bridge\/ssh-command'? ([A-Za-z0-9._-]+)$/.exec(command)?.[1];
    if (key === null || name === undefined || command !== toBytes(forcedCommand(repoPath, name))) continue;
    found.push({ name, key, line });
  }
  return found;
}

/**
 * Whether any line, for any purpose, lets this key in. sshd uses the first, so a second would never count.
 */
export function hasKey(text: string, key: PublicKey): boolean {
  return text.split('\n').some((line) => !isComment(line) && line.split(/\s+/).includes(key.blob));
}

/**
 * The text of an `authorized_keys` file, one character for each byte, so that other lines in any encoding
 * stay as they were. Empty where there is no file.
 */
export async function readAuthorizedKeys(file: string): Promise<string> {
  return readFile(file, 'latin1').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw cannotUse(file, error);
  });
}

/** A text in the form of readAuthorizedKeys, one character for each of its bytes. */
export function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The reverse of toBytes. */
export function fromBytes(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/**
 * Writes the file whole (temporary file, fsync, rename), keeping its mode; a new one gets 0600, its folder
 * 0700.
 */
export async function writeAuthorizedKeys(file: string, text: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const stats = await stat(file).catch(() => null);
    await writeFileAtomic(file, Buffer.from(text, 'latin1'), {
      mode: stats === null ? 0o600 : stats.mode & 0o777,
    });
  } catch (error) {
    throw cannotUse(file, error as NodeJS.ErrnoException);
  }
}

function isComment(line: string): boolean {
  return line.trimStart().startsWith('#');
}

function forcedCommand(repoPath: string, name: string, key?: PublicKey): string {
  const command = `${shellQuote(path.join(repoPath, 'bridge', 'ssh-command'))} ${name}`;
  return key === undefined ? command : `${command} ${fingerprint(key)}`;
}

function cannotUse(file: string, cause: NodeJS.ErrnoException): BridgeError {
  return new BridgeError(`cannot read or write ${file} (${cause.code ?? cause.message})`, {
    code: 'no-permission',
    remedy: 'run this as the user who owns the bridge, or name another file with --authorized-keys FILE',
    cause,
  });
}
