import { BridgeError } from '../../protocol/bridge-error.js';
import type { Backend, BackendSettings } from './backend.js';
import type { BackendDescription } from './backend-description.js';
import type { TokenSource } from './backend-token.js';
import { LMSTUDIO } from './lmstudio/lmstudio.js';
import { OLLAMA } from './ollama/ollama.js';
import { OPENAI } from './openai/openai.js';
import { isPrivateAddress } from './private-address.js';

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
  listed(OPENAI, async (url, settings) => {
    return (await import('./openai/openai-backend.js')).openaiBackend(url, settings);
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
 * The addresses of the model servers, a property for each. The default is what the server's description
 * says.
 */
export type BackendUrls = { readonly [Key in ListedBackend['urlKey']]?: string | undefined };

/** The source of a backend's token; never for a backend without one. */
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

/** The address of a backend: the one that is given, else its usual one; null where there is neither. */
export function addressOf(name: BackendName, urls: BackendUrls): string | null {
  const { urlKey, defaultUrl } = backendNamed(name);
  return urls[urlKey] ?? defaultUrl;
}

/**
 * The backends of an order that can be used: those with an address. Throws BridgeError `usage` where a
 * person chose the order and it names a backend without an address.
 */
export function withAddress(order: readonly BackendName[], urls: BackendUrls): BackendName[] {
  const missing = order.find((name) => addressOf(name, urls) === null);
  const isChosen = order.join() !== DEFAULT_BACKEND_ORDER.join();
  if (missing !== undefined && isChosen) {
    const { urlOption, urlVariable } = backendNamed(missing);
    throw new BridgeError(`${missing} has no usual address, and none is given`, {
      code: 'usage',
      remedy: `--${urlOption} http://HOST:PORT/v1, or ${urlVariable}`,
    });
  }
  return order.filter((name) => addressOf(name, urls) !== null);
}

/**
 * The backends of an order that may get a question that no third party is to read: those at a private
 * address, whatever the agent is allowed. Of their models only those that run there are asked then.
 */
export function withPrivateAddress(order: readonly BackendName[], urls: BackendUrls): BackendName[] {
  return order.filter((name) => {
    const url = addressOf(name, urls);
    return url !== null && isPrivateAddress(backendNamed(name).parseUrl(url));
  });
}

/**
 * Opens the backends of these names that have an address, in this order. Throws BridgeError `usage` for a
 * bad address, and for one of a third party unless `allowCloud` is set.
 */
export async function openBackends(
  order: readonly BackendName[],
  settings: OpenSettings,
): Promise<Backend[]> {
  return await Promise.all(
    order.flatMap((name) => {
      const url = addressOf(name, settings);
      if (url === null) return [];
      return [backendNamed(name).open(url, { ...settings, token: settings.tokens?.[name] })];
    }),
  );
}

/** The titles of those that `filter` wants, for a sentence: `Ollama, LM Studio or a /v1 server`. */
export function backendTitles(filter: (backend: BackendDescription) => boolean = () => true): string {
  const titles = BACKENDS.filter(filter).map(({ title }) => title);
  return [titles.slice(0, -1).join(', '), ...titles.slice(-1)].filter((part) => part !== '').join(' or ');
}
