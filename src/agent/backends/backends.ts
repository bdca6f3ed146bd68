import type { Backend } from './backend.js';
import type { BackendDescription } from './backend-description.js';
import { LMSTUDIO } from './lmstudio/lmstudio.js';
import { OLLAMA } from './ollama/ollama.js';

/**
 * Every model server that an agent can use, in the order `auto` tries them. This is the only list: a new one
 * is a folder beside it and a line here. The protocol takes any word for a backend, so nothing else changes.
 *
 * What speaks to a server is loaded when it is opened: the command line reads this list at every start.
 */
export const BACKENDS = [
  listed(OLLAMA, async (url) => (await import('./ollama/ollama-backend.js')).ollamaBackend(url)),
  listed(LMSTUDIO, async (url) => (await import('./lmstudio/lmstudio-backend.js')).lmstudioBackend(url)),
] as const;

/** A line of the list: what is known of a model server, and how to open one. */
export type ListedBackend = (typeof BACKENDS)[number];

/** The name of one of them. A task or a record may name others (`backendNameSchema`). */
export type BackendName = ListedBackend['name'];

function listed<const Description extends BackendDescription>(
  description: Description,
  open: (url: string) => Promise<Backend>,
) {
  return { ...description, open };
}

/**
 * The addresses of the model servers, a property for each. The default is what the server's description says.
 */
export type BackendUrls = { readonly [Key in ListedBackend['urlKey']]?: string | undefined };

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
export async function openBackends(order: readonly BackendName[], urls: BackendUrls): Promise<Backend[]> {
  return await Promise.all(
    order.map((name) => {
      const backend = backendNamed(name);
      return backend.open(urls[backend.urlKey] ?? backend.defaultUrl);
    }),
  );
}

/**
 * The addresses among other options, where they are addresses. Throws BridgeError `usage` for one that is
 * none.
 */
export function requireBackendUrls(options: BackendUrls): BackendUrls {
  const urls = pickBackendUrls(options);
  for (const { urlKey, parseUrl } of BACKENDS) {
    const url = urls[urlKey];
    if (url !== undefined) parseUrl(url);
  }
  return urls;
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
