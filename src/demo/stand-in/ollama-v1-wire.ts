import * as z from 'zod';
import type { ChatDialect } from './chat-completions-wire.js';
import { event, type Plain, plainJson } from './wire.js';

/**
 * In the streams of OpenAI's older APIs, Ollama's own error becomes a chunk without a model and without
 * text.
 */
export const OLLAMA_EMPTY_HEAD = {
  id: 'cmpl-stand-in',
  object: 'text_completion',
  created: 0,
  model: '',
  system_fingerprint: 'fp_ollama',
};

/** How Ollama speaks `/v1/chat/completions`. */
export const OLLAMA_V1_CHAT: ChatDialect = {
  wire: 'ollama',
  refuseForm: (body) =>
    body === null ? asOpenaiError(plainJson(400, { error: "[] is too short - 'messages'" })) : null,
  formatOf: (format) => (format.type === 'json_object' ? 'json' : format.json_schema?.schema),
  fingerprint: () => 'fp_ollama',
  role: 'first',
  reasoning: 'reasoning',
  always: {},
  cutsCalls: false,
  hasChoices: false,
  error: () =>
    event({
      ...OLLAMA_EMPTY_HEAD,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta: { content: '' }, finish_reason: null }],
    }),
};

/**
 * What Ollama says in the streams of Anthropic's API and of `/v1/responses` when a model crashes: it reads
 * its own error as an answer without text (`middleware/`), and the stream ends.
 */
export const OLLAMA_SAYS_NOTHING = '';

const ownError = z.object({ error: z.string() });

const OPENAI_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  404: 'not_found_error',
};

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
};

/** An error of Ollama's own API as it says it on the paths of OpenAI's. */
export function asOpenaiError(plain: Plain): Plain {
  const { error: message } = ownError.parse(JSON.parse(plain.body));
  const type = OPENAI_TYPES[plain.status] ?? 'api_error';
  return { ...plain, ...plainJson(plain.status, { error: { message, type, param: null, code: null } }) };
}

/** An error of Ollama's own API as it says it on the path of Anthropic's. */
export function asAnthropicError(plain: Plain): Plain {
  const { error: message } = ownError.parse(JSON.parse(plain.body));
  const type = ANTHROPIC_TYPES[plain.status] ?? 'api_error';
  const body = { type: 'error', error: { type, message }, request_id: 'req_stand_in' };
  return { ...plain, ...plainJson(plain.status, body) };
}
