import { BridgeError } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';
import type { Backend, BackendSettings } from './backend.js';
import type { BackendDescription } from './backend-description.js';
import { readToken, type TokenSource } from './backend-token.js';
import { LMSTUDIO } from './lmstudio/lmstudio.js';
import { OLLAMA } from './ollama/ollama.js';

/**
 * Every model server that an agent can use, in the order `auto` tries them. This is the only list: a new one
 * is a folder beside it and a line here. The protocol takes any word for a backend, so nothing else changes.
 *
 * What speaks to a server is loaded when it is opened: the command line reads this list at every start.
 */
export const BACKENDS = [
  listed(OLLAMA, async (url, settings) => {
    return (await import('./ollama/ollama-backend.js')).ollamaBackend(url, settings);
  }),
  listed(LMSTUDIO, async (url, settings) => {
    return (await import('./lmstudio/lmstudio-backend.js')).lmstudioBackend(url, settings);
  }),
] as const;

/** A line of the list: what is known of a model server, and how to open one. */
export type ListedBackend = (typeof BACKENDS)[number];

/** The name of one of them. A task or a record may name others (`backendNameSchema`). */
export type BackendName = ListedBackend['name'];

function listed<const Description extends BackendDescription>(
  description: Description,
  open: (url: string, settings: BackendSettings) => Promise<Backend>,
) {
  return { ...description, open };
}

/**
 * The addresses of the model servers, a property for each. The default is what the server's description says.
 */
export type BackendUrls = { readonly [Key in ListedBackend['urlKey']]?: string | undefined };

/** What every backend knows a token by, with those that have none left out. */
type TokenOf<One> = One extends { readonly token: infer Source extends TokenSource } ? Source : never;

/** The files that hold tokens, a property for each model server that knows tokens. */
export type TokenFiles = { readonly [Key in TokenOf<ListedBackend>['fileKey']]?: string | undefined };

/** The tokens themselves, by the name of the backend. */
export type BackendTokens = { readonly [Name in BackendName]?: string };

/** What backends are opened with: addresses, tokens, and what all of them share. */
export type OpenSettings = BackendUrls &
  Omit<BackendSettings, 'token'> & { readonly tokens?: BackendTokens | undefined };

/** All of them, in the order `auto` tries them. */
export const DEFAULT_BACKEND_ORDER: readonly BackendName[] = BACKENDS.map(({ name }) => name);

/** What is known of the backend of this name, which is one of the list. */
export function backendNamed(name: string): ListedBackend {
  const found = BACKENDS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no backend is called ${name}`);
  return found;
}

/** Whether an agent of this version can use what a task names. */
export function isBackendName(name: string): name is BackendName {
  return BACKENDS.some((one) => one.name === name);
}

/**
 * Opens the backends of these names, in this order. Throws BridgeError `usage` for an address that is none.
 */
export async function openBackends(
  order: readonly BackendName[],
  settings: OpenSettings,
): Promise<Backend[]> {
  return await Promise.all(
    order.map((name) => {
      const backend = backendNamed(name);
      const url = settings[backend.urlKey] ?? backend.defaultUrl;
      return backend.open(url, { ...settings, token: settings.tokens?.[name] });
    }),
  );
}

/**
 * The addresses among other options, where they are addresses; what is not given, from the variable by which
 * the model server's own programs know it. Throws BridgeError `usage` for one that is none, naming the option
 * or the variable.
 */
export function requireBackendUrls(options: BackendUrls, env: NodeJS.ProcessEnv): BackendUrls {
  const urls: Record<string, string> = {};
  for (const { urlKey, ownUrl, parseUrl } of BACKENDS) {
    const given = options[urlKey];
    if (given !== undefined) {
      parseUrl(given);
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

/** The titles of those that `filter` wants, for a sentence: `Ollama or LM Studio`. */
export function backendTitles(filter: (backend: BackendDescription) => boolean = () => true): string {
  return BACKENDS.filter(filter)
    .map(({ title }) => title)
    .join(' or ');
}
