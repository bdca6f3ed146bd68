import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { parseAddress } from '../bridge/address.js';
import { openLocalBridge } from '../bridge/local-bridge.js';
import { shellQuote } from '../process/shell-quote.js';
import { faultOf } from '../process/trusted-folder.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { principalNameSchema } from '../protocol/names.js';
import { readStrictJson } from '../protocol/strict-json.js';
import { instantSchema } from '../protocol/task.js';
import { gatewayFolder } from './gateway-folder.js';

/**
 * The tokens of a gateway by name. Only the SHA-256 of a token is kept, without salt or a slow hash: a token
 * is 256 random bits, which nobody can guess or has in a table, and it is compared at every call.
 */
const tokensSchema = z.record(
  principalNameSchema,
  z.strictObject({
    sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex'),
    added_at: instantSchema,
    /** The name of the token with which it was made, on the page; both are removed together. */
    made_by: principalNameSchema.optional(),
  }),
);
export type Tokens = z.infer<typeof tokensSchema>;

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
 * The tokens in a file; none where there is no file. Throws BridgeError `token-file` for one that cannot be
 * read: then nobody is let in.
 */
export function readTokens(file: string): Tokens {
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

/** The hash of a token, which is what the file keeps. */
export function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
