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
  /** The token with which it was made; null for one that was made by the command. */
  readonly madeBy: string | null;
}

/** The most tokens that are made with one. */
const MAX_MADE = 100;

/**
 * Makes a token of this name and returns it; nobody can read it again. `madeBy`: the token with which it is
 * made, and removed. Throws BridgeError `usage` (a bad name, too many made), `name-taken`, `token-file`,
 * `no-such-token` where `madeBy` is gone.
 */
export async function addToken(file: string, name: string, nowMs: number, madeBy?: string): Promise<string> {
  requireName(name, 'a token');
  return await changing(file, (tokens) => {
    if (madeBy !== undefined) requireMaker(tokens, madeBy);
    if (Object.hasOwn(tokens, name))
      throw new BridgeError(`there is a token named ${name} already`, {
        code: 'name-taken',
        remedy: `llm-bridge token remove ${name} first, or choose another name`,
      });
    const token = `${PREFIX}${randomBytes(32).toString('base64url')}`;
    const made = madeBy === undefined ? {} : { made_by: madeBy };
    const entry = { sha256: hashOf(token).toString('hex'), added_at: new Date(nowMs).toISOString(), ...made };
    return { tokens: { ...tokens, [name]: entry }, result: token };
  });
}

/** The tokens by name. Throws BridgeError `token-file`. */
export function listTokens(file: string): ListedToken[] {
  const tokens = Object.entries(readTokens(file));
  return tokens
    .map(([name, { added_at, made_by = null }]) => ({ name, addedAt: added_at, madeBy: made_by }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Removes a token, and those that were made with it, also from gateways that run. Throws BridgeError
 * `no-such-token`, `token-file`.
 */
export async function removeToken(file: string, name: string): Promise<void> {
  await changing(file, (tokens) => {
    if (!Object.hasOwn(tokens, name))
      throw new BridgeError(`there is no token named ${name}`, {
        code: 'no-such-token',
        remedy: 'llm-bridge token list shows the names',
      });
    return { tokens: without(tokens, name), result: undefined };
  });
}

/** Removes those that were made with it as well: a token that was stolen would live on in them. */
function without(tokens: Tokens, name: string): Tokens {
  const { [name]: _, ...rest } = tokens;
  const made = Object.entries(rest).filter(([, { made_by }]) => made_by === name);
  return made.reduce((left, [one]) => without(left, one), rest);
}

function requireMaker(tokens: Tokens, maker: string): void {
  if (!Object.hasOwn(tokens, maker))
    throw new BridgeError(`there is no token named ${maker} any more`, {
      code: 'no-such-token',
      remedy: 'llm-bridge token list shows the names',
    });
  const made = Object.values(tokens).filter(({ made_by }) => made_by === maker).length;
  if (made >= MAX_MADE)
    throw new BridgeError(`${made} tokens were made with ${maker}, as many as may be`, {
      code: 'usage',
      remedy: 'llm-bridge token remove NAME removes one',
    });
}

async function changing<T>(
  file: string,
  change: (tokens: Tokens) => { readonly tokens: Tokens; readonly result: T },
): Promise<T> {
  const folder = path.dirname(file);
  // A bridge has the folder; elsewhere it is made, and closed to all others.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return await withFileLock(`${file}.lock`, async () => {
    const { tokens, result } = change(readTokens(file));
    await writeFileAtomic(file, `${JSON.stringify(tokens, null, 2)}\n`, { mode: 0o600 });
    return result;
  });
}
