import type { RequestPath } from '../../protocol/request.js';
import { type ChatDialect, chatCompletions } from './chat-completions-wire.js';
import { type CompletionsDialect, completions } from './completions-wire.js';
import { type EmbeddingPath, isEmbeddingPath } from './embeddings.js';
import { LMSTUDIO_CHAT, lmstudioServer } from './lmstudio-wire.js';
import { type MessagesDialect, messages } from './messages-wire.js';
import { ollamaServer } from './ollama-server.js';
import {
  asAnthropicError,
  asOpenaiError,
  OLLAMA_EMPTY_HEAD,
  OLLAMA_SAYS_NOTHING,
  OLLAMA_V1_CHAT,
} from './ollama-v1-wire.js';
import { ollamaChat, ollamaGenerate } from './ollama-wire.js';
import { OPENAI_CHAT, openaiServer, refused } from './openai-wire.js';
import type { ResponsesDialect } from './responses-dialect.js';
import { responses } from './responses-wire.js';
import type { WireName } from './stand-in-request.js';
import { event, type Plain, plainJson, type ServerWords, type Wire } from './wire.js';

/** A path whose answers are text. */
type TextPath = Exclude<RequestPath, EmbeddingPath>;

const OPENAI_BAD_FORM = refused(400, 'invalid_request_error', "'input' is required");
const LMSTUDIO_BAD_FORM = plainJson(400, { error: 'Invalid request' });

const COMPLETIONS: Readonly<Record<WireName, CompletionsDialect>> = {
  ollama: {
    wire: 'ollama',
    fingerprint: () => 'fp_ollama',
    always: {},
    usage: 'alone',
    hasChoices: false,
    hasLogprobs: false,
    badForm: asOpenaiError(plainJson(400, { error: 'invalid request' })),
    error: () => event({ ...OLLAMA_EMPTY_HEAD, choices: [{ text: '', index: 0, finish_reason: null }] }),
  },
  lmstudio: {
    wire: 'lmstudio',
    fingerprint: (turn) => turn.model,
    always: { logprobs: null },
    usage: 'alone',
    hasChoices: false,
    hasLogprobs: false,
    badForm: LMSTUDIO_BAD_FORM,
    error: LMSTUDIO_CHAT.error,
  },
  openai: {
    wire: 'openai',
    fingerprint: OPENAI_CHAT.fingerprint,
    always: { logprobs: null },
    usage: 'last',
    hasChoices: true,
    hasLogprobs: true,
    badForm: refused(400, 'invalid_request_error', "'prompt' is required"),
    error: OPENAI_CHAT.error,
  },
};

const RESPONSES: Readonly<Record<WireName, ResponsesDialect>> = {
  ollama: {
    wire: 'ollama',
    isLean: false,
    tellsCuts: false,
    reasoning: 'summary',
    cutsCalls: false,
    badForm: asOpenaiError(plainJson(400, { error: 'invalid request' })),
    error: () => OLLAMA_SAYS_NOTHING,
  },
  lmstudio: {
    wire: 'lmstudio',
    isLean: false,
    tellsCuts: true,
    reasoning: 'content',
    cutsCalls: true,
    badForm: LMSTUDIO_BAD_FORM,
    error: (message = 'Model unloaded.') =>
      event({ type: 'error', code: null, message, param: null }, 'error'),
  },
  openai: {
    wire: 'openai',
    isLean: true,
    tellsCuts: false,
    reasoning: 'content',
    cutsCalls: true,
    badForm: OPENAI_BAD_FORM,
    error: OPENAI_CHAT.error,
  },
};

const MESSAGES: Readonly<Record<WireName, MessagesDialect>> = {
  ollama: {
    wire: 'ollama',
    countsAtEnd: true,
    always: {},
    signs: false,
    emptyInput: { input: {} },
    cutsCalls: false,
    badForm: asAnthropicError(plainJson(400, { error: 'max_tokens is required and must be positive' })),
    error: () => OLLAMA_SAYS_NOTHING,
  },
  lmstudio: {
    wire: 'lmstudio',
    countsAtEnd: false,
    always: { stop_sequence: null },
    signs: true,
    emptyInput: { input: {} },
    cutsCalls: true,
    badForm: LMSTUDIO_BAD_FORM,
    error: (message = 'Model unloaded.') =>
      event({ type: 'error', error: { type: 'api_error', message } }, 'error'),
  },
  openai: {
    wire: 'openai',
    countsAtEnd: false,
    always: { stop_sequence: null },
    signs: true,
    emptyInput: {},
    cutsCalls: true,
    badForm: refused(500, 'server_error', "'messages' is required"),
    error: (message = 'Compute error.') =>
      event({ error: { code: 500, message, type: 'server_error' } }, 'error'),
  },
};

const CHATS: Readonly<Record<WireName, ChatDialect>> = {
  ollama: OLLAMA_V1_CHAT,
  lmstudio: LMSTUDIO_CHAT,
  openai: OPENAI_CHAT,
};

const SERVERS: Readonly<Record<WireName, ServerWords>> = {
  ollama: ollamaServer,
  lmstudio: lmstudioServer,
  openai: openaiServer,
};

/** How a server words its answers on a path. Ollama words its errors as the API of that path does. */
export function serverOn(wire: WireName, path: RequestPath): ServerWords {
  const server = SERVERS[wire];
  if (wire !== 'ollama' || path.startsWith('/api/')) return server;
  const reworded = path === '/v1/messages' ? asAnthropicError : asOpenaiError;
  return {
    ...server,
    refuse: (refusal, request) =>
      refusal.kind === 'http' ? server.refuse(refusal, request) : reworded(server.refuse(refusal, request)),
    overflow: (promptTokens, context) => reworded(server.overflow(promptTokens, context)),
  };
}

/** How a server answers on a path; null where it has no such path. */
export function wireOf(wire: WireName, path: TextPath): Wire | null {
  const server = serverOn(wire, path);
  switch (path) {
    case '/v1/chat/completions':
      return { ...server, ...chatCompletions(CHATS[wire]) };
    case '/v1/completions':
      return { ...server, ...completions(COMPLETIONS[wire]) };
    case '/v1/responses':
      return { ...server, ...responses(RESPONSES[wire]) };
    case '/v1/messages':
      return { ...server, ...messages(MESSAGES[wire]) };
    case '/api/chat':
      return wire === 'ollama' ? { ...server, ...ollamaChat } : null;
    case '/api/generate':
      return wire === 'ollama' ? { ...server, ...ollamaGenerate } : null;
  }
}

/** What a server says of a request for embeddings whose form is wrong. */
export function badEmbeddings(wire: WireName, path: EmbeddingPath): Plain {
  if (wire === 'lmstudio') return LMSTUDIO_BAD_FORM;
  if (wire === 'openai') {
    return refused(400, 'invalid_request_error', '"input" or "content" must be provided');
  }
  const plain = plainJson(400, { error: 'invalid input' });
  return path === '/v1/embeddings' ? asOpenaiError(plain) : plain;
}

/** Whether a server has a path. */
export function serves(wire: WireName, path: RequestPath): boolean {
  if (isEmbeddingPath(path)) return wire === 'ollama' || path === '/v1/embeddings';
  return wireOf(wire, path) !== null;
}
