import { BridgeError } from '../../../protocol/bridge-error.js';
import type { BackendDescription } from '../backend-description.js';
import { parseBackendUrl } from '../backend-url.js';
import { isPrivateAddress } from '../private-address.js';
import { V1_PATHS } from '../v1-paths.js';
import { OPENAI_FAILURES } from './openai-failures.js';

/** The usual address of llama.cpp. */
const EXAMPLE_URL = 'http://127.0.0.1:8080/v1';

/** Any server that speaks OpenAI's API: llama.cpp, vLLM, Jan, KoboldCpp, LocalAI (docs/openai.md). */
export const OPENAI = {
  name: 'openai',
  title: 'a /v1 server',
  urlOption: 'openai-url',
  urlVariable: 'LLM_BRIDGE_OPENAI_URL',
  urlKey: 'openaiUrl',
  // Each of these servers has another port, and many other programs use 8080 and 8000.
  defaultUrl: null,
  ownUrl: null,
  token: {
    variable: 'OPENAI_API_KEY',
    fileOption: 'openai-key-file',
    fileKey: 'openaiKeyFile',
  },
  parseUrl: parseOpenaiUrl,
  refuseUrl: refusePublicUrl,
  sameModel: sameOpenaiModel,
  answersFromOthers: true,
  takesContextSize: false,
  // llama.cpp has all of them, the others some.
  paths: V1_PATHS,
  failures: OPENAI_FAILURES,
  remedies: {
    start: 'start the server that --openai-url names (docs/openai.md has the command line of each)',
    noModel: 'start the server of --openai-url with a model, or load one there',
    unauthorized: (hasToken: boolean) =>
      `${hasToken ? 'give the agent the key that the server was started with' : 'the server wants a key; give it to the agent'}: --openai-key-file FILE, or OPENAI_API_KEY`,
    install: () => 'start the server of --openai-url with that model',
    askDirectly: () => `curl ${EXAMPLE_URL}/chat/completions, at the address of --openai-url`,
  },
} as const satisfies BackendDescription;

/**
 * The address of the API of such a server, without a trailing slash, and with `/v1` where it has no path.
 * Throws BridgeError `usage`.
 */
function parseOpenaiUrl(text: string): string {
  return parseBackendUrl(text, { option: '--openai-url', example: EXAMPLE_URL, port: '8080', path: '/v1' });
}

/** Throws BridgeError `usage` for an address at which a third party would read what is asked. */
function refusePublicUrl(url: string, allowCloud: boolean): void {
  if (allowCloud || isPrivateAddress(url)) return;
  const { host } = new URL(url);
  throw new BridgeError(
    `--openai-url: ${host} is no address of a private network; what is asked would go to a third party`,
    {
      code: 'usage',
      remedy: 'use a server of your own; if they may read what is asked: --allow-cloud, and name the model',
    },
  );
}

/**
 * Whether `answered` is the model that was asked for. Case aside; `.gguf` may be missing on either side, and
 * so may the path or the publisher in front of the name.
 */
export function sameOpenaiModel(asked: string, answered: string): boolean {
  const left = partsOf(asked);
  const right = partsOf(answered);
  if (left.name !== right.name) return false;
  return left.path === '' || right.path === '' || left.path === right.path;
}

function partsOf(model: string): { path: string; name: string } {
  const whole = model
    .trim()
    .toLowerCase()
    .replaceAll('\\', '/')
    .replace(/\.gguf$/, '');
  const slash = whole.lastIndexOf('/');
  return { path: whole.slice(0, Math.max(slash, 0)), name: whole.slice(slash + 1) };
}
