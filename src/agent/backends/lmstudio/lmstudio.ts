import { shellQuote } from '../../../process/shell-quote.js';
import type { BackendDescription } from '../backend-description.js';
import { parseBackendUrl } from '../backend-url.js';
import { V1_PATHS } from '../v1-paths.js';
import { LMSTUDIO_FAILURES } from './lmstudio-failures.js';

/** Its usual address, with the path of its OpenAI-compatible API. */
const DEFAULT_URL = 'http://127.0.0.1:1234/v1';

/** LM Studio: https://lmstudio.ai. */
export const LMSTUDIO = {
  name: 'lmstudio',
  title: 'LM Studio',
  urlOption: 'lmstudio-url',
  urlVariable: 'LLM_BRIDGE_LMSTUDIO_URL',
  urlKey: 'lmstudioUrl',
  defaultUrl: DEFAULT_URL,
  ownUrl: null,
  token: {
    variable: 'LM_API_TOKEN',
    fileOption: 'lmstudio-token-file',
    fileKey: 'lmstudioTokenFile',
  },
  parseUrl: parseLmstudioUrl,
  refuseUrl: null,
  sameModel: sameLmstudioModel,
  answersFromOthers: true,
  takesContextSize: false,
  // lmstudio.ai/docs/developer: /v1/responses since 0.3.29, /v1/messages since 0.4.1.
  paths: V1_PATHS,
  failures: LMSTUDIO_FAILURES,
  remedies: {
    start: 'lms server start, or the Developer tab of LM Studio; elsewhere than usual: --lmstudio-url',
    noModel: 'load a model in LM Studio, or run: lms load',
    unauthorized: (hasToken: boolean) =>
      `${hasToken ? 'make another token, or allow this one more,' : 'make a token'} in LM Studio (Developer, Server Settings, Manage Tokens), and give it to the agent: LM_API_TOKEN, or --lmstudio-token-file FILE`,
    install: (model: string) => `lms get ${shellQuote(model)}`,
    askDirectly: () => 'lms chat',
  },
} as const satisfies BackendDescription;

/**
 * The address of LM Studio's API, without a trailing slash. As `parseOllamaUrl`, with port 1234. An address
 * without a path gets `/v1`, for LM Studio answers any other path with 200 and an error text. Throws
 * BridgeError `usage`.
 */
export function parseLmstudioUrl(text: string): string {
  return parseBackendUrl(text, { option: '--lmstudio-url', example: DEFAULT_URL, port: '1234', path: '/v1' });
}

/**
 * Whether `answered` is the model that was asked for, as LM Studio spells names:
 * `publisher/name@quant:instance`, of which all but the name may be missing on either side. Where both sides
 * have a publisher or a quant, they have to agree; the instance never matters.
 */
export function sameLmstudioModel(asked: string, answered: string): boolean {
  const left = partsOf(asked);
  const right = partsOf(answered);
  return left.name === right.name && agree(left.publisher, right.publisher) && agree(left.quant, right.quant);
}

function partsOf(model: string): { publisher: string; name: string; quant: string } {
  const whole = model.toLowerCase().replace(/:\d+$/, '');
  const at = whole.indexOf('@');
  const [path, quant] = at < 0 ? [whole, ''] : [whole.slice(0, at), whole.slice(at + 1)];
  const slash = path.lastIndexOf('/');
  return { publisher: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1), quant };
}

function agree(left: string, right: string): boolean {
  return left === '' || right === '' || left === right;
}
