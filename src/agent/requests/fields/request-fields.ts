import type { RequestPath } from '../../../protocol/request.js';
import type { Fields, Source } from '../field.js';
import { CHAT_COMPLETIONS } from './chat-completions.js';
import { COMPLETIONS, EMBEDDINGS, requireFewAnswers } from './completions.js';
import { MESSAGES } from './messages.js';
import { NATIVE_CHAT, NATIVE_EMBED, NATIVE_EMBEDDINGS, NATIVE_GENERATE } from './ollama.js';
import { RESPONSES } from './responses.js';
import { MAX_CHOICES } from './sampling.js';

/** What one of the nine calls may have. */
interface RequestFields {
  readonly fields: Fields;
  /** The reference that the list was made from. A field may name another one. */
  readonly source: Source;
  /**
   * A bound on several fields together: in words for docs/requests.md, and its check, which throws
   * FieldRefused.
   */
  readonly bound?: {
    readonly says: string;
    readonly check: (body: Readonly<Record<string, unknown>>) => void;
  };
}

/** What each of the nine calls may have. */
export const REQUEST_FIELDS: Readonly<Record<RequestPath, RequestFields>> = {
  '/v1/chat/completions': {
    fields: CHAT_COMPLETIONS,
    source: { name: 'OpenAI', url: 'https://platform.openai.com/docs/api-reference/chat/create' },
  },
  '/v1/completions': {
    fields: COMPLETIONS,
    source: { name: 'OpenAI', url: 'https://platform.openai.com/docs/api-reference/completions/create' },
    bound: {
      says: `All prompts of a call together may ask for ${MAX_CHOICES} answers: their number times \`n\`, or times \`best_of\`.`,
      check: requireFewAnswers,
    },
  },
  '/v1/embeddings': {
    fields: EMBEDDINGS,
    source: { name: 'OpenAI', url: 'https://platform.openai.com/docs/api-reference/embeddings/create' },
  },
  '/v1/responses': {
    fields: RESPONSES,
    source: { name: 'OpenAI', url: 'https://platform.openai.com/docs/api-reference/responses/create' },
  },
  '/v1/messages': {
    fields: MESSAGES,
    source: { name: 'Anthropic', url: 'https://docs.anthropic.com/en/api/messages' },
  },
  '/api/chat': {
    fields: NATIVE_CHAT,
    source: {
      name: 'Ollama',
      url: 'https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion',
    },
  },
  '/api/generate': {
    fields: NATIVE_GENERATE,
    source: {
      name: 'Ollama',
      url: 'https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-completion',
    },
  },
  '/api/embed': {
    fields: NATIVE_EMBED,
    source: {
      name: 'Ollama',
      url: 'https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings',
    },
  },
  '/api/embeddings': {
    fields: NATIVE_EMBEDDINGS,
    source: {
      name: 'Ollama',
      url: 'https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embedding',
    },
  },
};

/** What a call of this path may have. */
export function requestFields(path: RequestPath): RequestFields {
  return REQUEST_FIELDS[path];
}
