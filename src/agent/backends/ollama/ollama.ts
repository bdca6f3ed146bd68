import { shellQuote } from '../../../process/shell-quote.js';
import { REQUEST_PATHS } from '../../../protocol/request.js';
import type { BackendDescription } from '../backend-description.js';
import { parseBackendUrl } from '../backend-url.js';
import { OLLAMA_FAILURES } from './ollama-failures.js';
import { readOllamaHost } from './ollama-host.js';

/** Not `localhost`, which may be `::1`, where Ollama does not listen. */
const DEFAULT_URL = 'http://127.0.0.1:11434';

/** Ollama: https://ollama.com. */
export const OLLAMA = {
  name: 'ollama',
  title: 'Ollama',
  urlOption: 'ollama-url',
  urlVariable: 'LLM_BRIDGE_OLLAMA_URL',
  urlKey: 'ollamaUrl',
  defaultUrl: DEFAULT_URL,
  ownUrl: { variable: 'OLLAMA_HOST', read: readOllamaHost },
  token: null,
  parseUrl: parseOllamaUrl,
  refuseUrl: null,
  sameModel: sameOllamaModel,
  answersFromOthers: false,
  takesContextSize: true,
  // Of ollama/ollama: /v1/responses since 0.13.3, /v1/messages since 0.14.
  paths: REQUEST_PATHS,
  failures: OLLAMA_FAILURES,
  remedies: {
    start: 'ollama serve, or start its app; elsewhere than usual: --ollama-url',
    noModel: 'ollama pull llama3.2',
    unauthorized: () => 'ollama signin for a cloud model; else look at what stands in front of Ollama',
    install: (model: string) => `ollama pull ${shellQuote(model)}`,
    askDirectly: (model: string | null) => `ollama run ${shellQuote(model ?? 'llama3.2')} hello`,
  },
} as const satisfies BackendDescription;

/**
 * The address of an Ollama server, without a trailing slash. Takes `http://host:port`, `host:port` and
 * `host`, with 11434 where neither scheme nor port is given. Throws BridgeError `usage` for anything else.
 */
export function parseOllamaUrl(text: string): string {
  return parseBackendUrl(text, { option: '--ollama-url', example: DEFAULT_URL, port: '11434', path: '' });
}

/**
 * Whether `answered` is the model that was asked for, as Ollama spells names: case aside; without a tag it
 * is the one tagged `latest`; the registry and the namespace may stand in front where they are the usual
 * ones.
 */
export function sameOllamaModel(asked: string, answered: string): boolean {
  return tagged(asked) === tagged(answered);
}

function tagged(model: string): string {
  const lower = model
    .trim()
    .toLowerCase()
    .replace(/^(?:registry\.ollama\.ai\/)?(?:library\/)?/, '');
  // A colon in front of a slash is that of a registry's port.
  return lower.lastIndexOf(':') > lower.lastIndexOf('/') ? lower : `${lower}:latest`;
}
