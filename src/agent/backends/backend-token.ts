import { open } from 'node:fs/promises';
import { shellQuote } from '../../process/shell-quote.js';
import { asUtf8 } from '../../protocol/as-utf8.js';
import { usageError } from '../../protocol/bridge-error.js';

/** How a model server's token is given to an agent. */
export interface TokenSource {
  /** The environment variable that its own programs read it from. */
  readonly variable: string;
  /** The option that names a file with it, without the dashes. */
  readonly fileOption: string;
  /** The name of this option as a property: of `createAgent`, and of what the command line gives. */
  readonly fileKey: string;
}

/** The most bytes of a file with a token, which is one line. Known tokens have less than a tenth of this. */
const MAX_TOKEN_BYTES = 4096;

/**
 * Reads the token for a model server: from `file` where it is given, else from the variable; null where
 * there is neither. Throws BridgeError `usage` for a file that others can read, or that holds no token;
 * never with the token in it.
 */
export async function readToken(
  source: TokenSource,
  file: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  if (file === undefined) {
    const text = env[source.variable]?.trim() ?? '';
    return text === '' ? null : checked(text, source.variable);
  }
  return checked((await readSecretFile(file, `--${source.fileOption}`)).trim(), file);
}

async function readSecretFile(file: string, option: string): Promise<string> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    throw usageError(`${option}: cannot read ${file} (${error.code ?? error.message})`, 'check the path');
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile())
      throw usageError(`${option}: ${file} is no file`, 'name a file that has the token in it');
    // Windows has no modes.
    if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) {
      throw usageError(
        `${option}: others can read ${file}, which is a secret`,
        `make a new token if others may have read it, then: chmod 600 ${shellQuote(file)}`,
      );
    }
    if (stats.size > MAX_TOKEN_BYTES) {
      throw usageError(
        `${option}: ${file} has ${stats.size} bytes, and is no token`,
        'name a file with one line',
      );
    }
    // PowerShell's `>` writes UTF-16.
    return asUtf8(await handle.readFile(), file).toString('utf8');
  } finally {
    await handle.close();
  }
}

/** What a header can carry: visible ASCII, in one piece. */
function checked(token: string, where: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw usageError(
    token === '' ? `there is no token in ${where}` : `what is in ${where} is no token: it must be one word`,
    'make a token in the model server, and put it there alone',
  );
}
