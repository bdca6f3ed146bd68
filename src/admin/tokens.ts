import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { withFileLock } from '../process/file-lock.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { requireName } from '../protocol/names.js';
import { hashOf, readTokens, type Tokens } from './token-file.js';

/** What a token begins with, so that programs that look for leaked secrets find it. */
const PREFIX = 'llmb_';

/** A token as `token list` shows it. */
export interface ListedToken {
  readonly name: string;
  readonly addedAt: string;
}

/**
 * Makes a token of this name and returns it; it is not to be had again. Throws BridgeError `usage` (a bad
 * name), `name-taken`, `token-file`.
 */
export async function addToken(file: string, name: string, nowMs: number): Promise<string> {
  requireName(name, 'a token');
  return await changing(file, (tokens) => {
    if (Object.hasOwn(tokens, name))
      throw new BridgeError(`there is a token named ${name} already`, {
        code: 'name-taken',
        remedy: `llm-bridge token remove ${name} first, or choose another name`,
      });
    const token = `${PREFIX}${randomBytes(32).toString('base64url')}`;
    const entry = { sha256: hashOf(token).toString('hex'), added_at: new Date(nowMs).toISOString() };
    return { tokens: { ...tokens, [name]: entry }, result: token };
  });
}

/** The tokens by name. Throws BridgeError `token-file`. */
export function listTokens(file: string): ListedToken[] {
  const tokens = Object.entries(readTokens(file));
  return tokens
    .map(([name, { added_at }]) => ({ name, addedAt: added_at }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Removes a token, also from gateways that run. Throws BridgeError `no-such-token`, `token-file`. */
export async function removeToken(file: string, name: string): Promise<void> {
  await changing(file, (tokens) => {
    if (!Object.hasOwn(tokens, name))
      throw new BridgeError(`there is no token named ${name}`, {
        code: 'no-such-token',
        remedy: 'llm-bridge token list shows the names',
      });
    const { [name]: _, ...rest } = tokens;
    return { tokens: rest, result: undefined };
  });
}

async function changing<T>(
  file: string,
  change: (tokens: Tokens) => { readonly tokens: Tokens; readonly result: T },
): Promise<T> {
  const folder = path.dirname(file);
  // In a bridge it is there; elsewhere it is ours alone.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return await withFileLock(`${file}.lock`, async () => {
    const { tokens, result } = change(readTokens(file));
    await writeFileAtomic(file, `${JSON.stringify(tokens, null, 2)}\n`, { mode: 0o600 });
    return result;
  });
}
