import { BridgeError } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';
import type { BackendSettings } from './backend.js';
import { readToken } from './backend-token.js';
import {
  BACKENDS,
  type BackendName,
  type BackendTokens,
  type BackendUrls,
  backendNamed,
  type TokenFiles,
} from './backends.js';

/**
 * The addresses among other options, each checked. One that is not given is read from the variable by which
 * the model server's own programs know it. Throws BridgeError `usage` for one that is no address, naming the
 * option or the variable; and for an option that names a third party, unless `allowCloud` is set.
 */
export function requireBackendUrls(
  options: BackendUrls & Pick<BackendSettings, 'allowCloud'>,
  env: NodeJS.ProcessEnv,
): BackendUrls {
  const urls: Record<string, string> = {};
  for (const { urlKey, ownUrl, parseUrl, refuseUrl } of BACKENDS) {
    const given = options[urlKey];
    if (given !== undefined) {
      const url = parseUrl(given);
      refuseUrl?.(url, options.allowCloud ?? false);
      urls[urlKey] = given;
    } else if (ownUrl !== null) {
      const text = env[ownUrl.variable];
      if (text !== undefined && text.trim() !== '') urls[urlKey] = readOwnUrl(ownUrl, text, parseUrl);
    }
  }
  return urls;
}

function readOwnUrl(
  { variable, read }: { variable: string; read(text: string): string },
  text: string,
  parse: (url: string) => string,
): string {
  try {
    return parse(read(text));
  } catch (cause) {
    const what = text.includes('@')
      ? 'must not contain a user name or password'
      : `is no HTTP address: ${excerpt(oneLine(text), 200)}`;
    throw new BridgeError(`${variable} ${what}`, {
      code: 'usage',
      remedy: `unset ${variable}, or set it like ${variable}=127.0.0.1:11434`,
      cause,
    });
  }
}

/**
 * Reads the tokens of the model servers in this order, from their files or their variables. Throws
 * BridgeError `usage`, never with a token in it.
 */
export async function readBackendTokens(
  order: readonly BackendName[],
  files: TokenFiles,
  env: NodeJS.ProcessEnv,
): Promise<BackendTokens> {
  const tokens: Record<string, string> = {};
  for (const name of order) {
    const { token } = backendNamed(name);
    if (token === null) continue;
    const read = await readToken(token, files[token.fileKey], env);
    if (read !== null) tokens[name] = read;
  }
  return tokens;
}

/** The files of tokens among other options. */
export function pickTokenFiles(options: TokenFiles): TokenFiles {
  const given = BACKENDS.flatMap(({ token }) =>
    token === null ? [] : [[token.fileKey, options[token.fileKey]] as const],
  );
  return Object.fromEntries(given.filter(([, file]) => file !== undefined));
}

/** The addresses among other options. */
export function pickBackendUrls(options: BackendUrls): BackendUrls {
  const given = BACKENDS.map(({ urlKey }) => [urlKey, options[urlKey]] as const);
  return Object.fromEntries(given.filter(([, url]) => url !== undefined));
}
