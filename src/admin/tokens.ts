import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import envPaths from 'env-paths';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { type BridgeAddress, parseAddress } from '../bridge/address.js';
import { openLocalBridge } from '../bridge/local-bridge.js';
import { withFileLock } from '../process/file-lock.js';
import { shellQuote } from '../process/shell-quote.js';
import { faultOf } from '../process/trusted-folder.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { principalNameSchema, requireName } from '../protocol/names.js';
import { readStrictJson } from '../protocol/strict-json.js';
import { instantSchema } from '../protocol/task.js';

/** What a token begins with, so that programs that look for leaked secrets find it. */
const PREFIX = 'llmb_';

/**
 * The tokens of a gateway by name. Of a token its SHA-256 is kept, without salt or a slow hash: it is 256
 * random bits, which nobody can guess or has in a table, and it is compared at every call.
 */
const tokensSchema = z.record(
  principalNameSchema,
  z.strictObject({
    sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex'),
    added_at: instantSchema,
  }),
);
type Tokens = z.infer<typeof tokensSchema>;

/** A token as `token list` shows it. */
export interface ListedToken {
  readonly name: string;
  readonly addedAt: string;
}

/**
 * The file with the tokens of the gateways of a bridge. Throws BridgeError as parseAddress and
 * openLocalBridge do.
 */
export async function findTokenFile(repo: string, env: NodeJS.ProcessEnv): Promise<string> {
  const address = parseAddress(repo);
  if (address.kind === 'local') await openLocalBridge(address.url, { env, asOwner: true });
  return tokenFileIn(gatewayFolder(address));
}

/** The file with the tokens in a gatewayFolder. */
export function tokenFileIn(folder: string): string {
  return path.join(folder, 'tokens.json');
}

/**
 * Where the gateways of a bridge keep what they know. Of a bridge on this machine that is the bridge, where
 * whoever runs `token` and the service that runs `serve` find the same; of one elsewhere it is where the
 * system keeps programs' data of this user.
 */
export function gatewayFolder(address: Pick<BridgeAddress, 'kind' | 'url'>): string {
  if (address.kind === 'local') return path.join(path.resolve(address.url), 'bridge');
  const slug = address.url.replace(/[^A-Za-z0-9]+/g, '-').slice(-40);
  const id = createHash('sha256').update(address.url).digest('hex').slice(0, 8);
  return path.join(envPaths('llm-bridge', { suffix: '' }).data, `gateway${slug}-${id}`);
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

/** The tokens of a gateway that runs: what the file says now. */
export class TokenKeeper {
  readonly #file: string;
  #stamp = '';
  #known: readonly { readonly name: string; readonly hash: Buffer }[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Whether calls need a token: the file is there. So whoever removes the last token shuts all out, and lets
   * nobody in. Throws BridgeError `token-file`.
   */
  get isInUse(): boolean {
    this.#look();
    return this.#stamp !== '';
  }

  /**
   * The name of a token; null where there is no such token. It takes as long for any that is wrong. Throws
   * BridgeError `token-file`: then nobody is let in.
   */
  nameOf(token: string): string | null {
    this.#look();
    const hash = hashOf(token);
    let found: string | null = null;
    for (const one of this.#known) if (timingSafeEqual(hash, one.hash)) found = one.name;
    return found;
  }

  /** Whether there is a token of this name. Throws BridgeError `token-file`. */
  hasName(name: string): boolean {
    this.#look();
    return this.#known.some((one) => one.name === name);
  }

  /** Reads the file where it is another than last time. */
  #look(): void {
    const stats = statSync(this.#file, { throwIfNoEntry: false, bigint: true });
    const stamp = stats === undefined ? '' : `${stats.ino} ${stats.mtimeNs} ${stats.size}`;
    if (stamp === this.#stamp) return;
    const tokens = Object.entries(readTokens(this.#file));
    this.#known = tokens.map(([name, { sha256 }]) => ({ name, hash: Buffer.from(sha256, 'hex') }));
    this.#stamp = stamp;
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** None where there is no file. One that cannot be read is an error: nobody is let in for that. */
function readTokens(file: string): Tokens {
  let bytes: Buffer;
  try {
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats === undefined) return {};
    const fault = process.platform === 'win32' ? null : faultOf(stats);
    if (fault !== null)
      throw tokenFileError(
        `${file} ${fault}`,
        `chown it to who runs the gateway; chmod 600 ${shellQuote(file)}`,
      );
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    throw tokenFileError(
      `${file} cannot be read (${(error as Error).message})`,
      'run this as the user who owns it',
    );
  }
  const read = readStrictJson(bytes, tokensSchema);
  if (read.ok) return read.value;
  throw tokenFileError(
    `${file} ${read.reason}`,
    `move it away, then make new tokens: llm-bridge token add NAME`,
  );
}

function tokenFileError(message: string, remedy: string): BridgeError {
  return new BridgeError(message, { code: 'token-file', remedy });
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
