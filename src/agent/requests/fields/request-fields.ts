import type { RequestPath } from '../../../protocol/request.js';
import type { Fields } from '../field.js';
import { CHAT_COMPLETIONS } from './chat-completions.js';
import { COMPLETIONS, EMBEDDINGS } from './completions.js';
import { MESSAGES } from './messages.js';
import { NATIVE_CHAT, NATIVE_EMBED, NATIVE_EMBEDDINGS, NATIVE_GENERATE } from './ollama.js';
import { RESPONSES } from './responses.js';

/** What each of the nine calls may have, and the reference that its list was made from. */
export const REQUEST_FIELDS: Readonly<
  Record<RequestPath, { readonly fields: Fields; readonly source: string }>
> = {
  '/v1/chat/completions': {
    fields: CHAT_COMPLETIONS,
    source: 'https://platform.openai.com/docs/api-reference/chat/create',
  },
  '/v1/completions': {
    fields: COMPLETIONS,
    source: 'https://platform.openai.com/docs/api-reference/completions/create',
  },
  '/v1/embeddings': {
    fields: EMBEDDINGS,
    source: 'https://platform.openai.com/docs/api-reference/embeddings/create',
  },
  '/v1/responses': {
    fields: RESPONSES,
    source: 'https://platform.openai.com/docs/api-reference/responses/create',
  },
  '/v1/messages': { fields: MESSAGES, source: 'https://docs.anthropic.com/en/api/messages' },
  '/api/chat': {
    fields: NATIVE_CHAT,
    source: 'https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion',
  },
  '/api/generate': {
    fields: NATIVE_GENERATE,
    source: 'https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-completion',
  },
  '/api/embed': {
    fields: NATIVE_EMBED,
    source: 'https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings',
  },
  '/api/embeddings': {
    fields: NATIVE_EMBEDDINGS,
    source: 'https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embedding',
  },
};

/** The list of a path. */
export function requestFields(path: RequestPath): Fields {
  return REQUEST_FIELDS[path].fields;
}
