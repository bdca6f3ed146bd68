import { estimateMessages } from '../../protocol/estimate-tokens.js';
import type { ChatMessage } from '../../protocol/task.js';
import type { Backend, BackendError } from './backend.js';
import { backendError } from './backend-failure.js';

/** The tokens that are counted for an image. Ollama itself counts 768, and larger images take more. */
const TOKENS_AN_IMAGE = 1024;

/** What a model is to read, as far as it says how many tokens that is. */
export interface Prompt {
  readonly messages: readonly ChatMessage[];
  readonly images: { readonly length: number };
  /** What a template may put in front of the messages: the tools of a call, as JSON. Default: nothing. */
  readonly tools?: string;
}

/**
 * About how many tokens a request has, by the estimate of the protocol. It may be wrong by a factor of two.
 */
export function estimateRequest(prompt: Prompt): number {
  return estimateMessages(withTools(prompt)) + TOKENS_AN_IMAGE * prompt.images.length;
}

/** All the text that may reach the model. A template may leave the tools out. */
function withTools({ messages, tools }: Prompt): readonly ChatMessage[] {
  return tools === undefined ? messages : [{ role: 'system', content: tools }, ...messages];
}

/**
 * The fewest tokens that these messages can have, in any tokenizer. In those in use no token goes on past
 * white space into the next word, and each word with a letter or a digit has a token. Some of the newest
 * join two common words, so the count is a tenth less.
 */
export function fewestTokens(messages: readonly ChatMessage[]): number {
  let words = 0;
  for (const { content } of messages) {
    for (const _word of content.matchAll(/[\p{L}\p{N}]\S*/gu)) words += 1;
  }
  return Math.floor(words * 0.9);
}

/** No model is loaded with a smaller context, in tokens. */
export const SMALLEST_CONTEXT = 2048;

/** The most tokens that the text of this prompt can have: a byte is the smallest token. */
export function mostTokens(prompt: Omit<Prompt, 'images'>): number {
  const messages = withTools({ ...prompt, images: [] });
  const bytes = messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
  return bytes + MAX_TEMPLATE_TOKENS + MAX_MESSAGE_TOKENS * messages.length;
}

/** What a template may put around a conversation, and around a message: role, date, and a system prompt. */
const MAX_TEMPLATE_TOKENS = 1024;
const MAX_MESSAGE_TOKENS = 16;

/**
 * Whether a server that did not refuse a prompt cannot have read all of it: by its own count it read fewer
 * tokens than the prompt has at least, or the prompt filled the context to its end. `context` is null where
 * nobody knows it.
 */
export function isPromptCut(
  prompt: Omit<Prompt, 'images'>,
  promptTokens: number | undefined,
  context: number | null,
): boolean {
  if (promptTokens === undefined) return false;
  // All of it fits, whatever the tokenizer makes of it.
  if (mostTokens(prompt) < (context ?? SMALLEST_CONTEXT)) return false;
  if (context !== null && promptTokens >= context - 1) return true;
  return promptTokens < fewestTokens(prompt.messages);
}

/** The numbers of a prompt that does not fit. */
export interface Overflow {
  /** Tokens of the prompt; as the server counted them where `isCounted`, else by the estimate. */
  readonly promptTokens: number;
  readonly isCounted: boolean;
  /** The context it had, in tokens; null where nobody says. */
  readonly context: number | null;
  /** What keeps the context from being larger, to follow `which is`. */
  readonly limit: string;
  /** What can be done, or what is known besides; empty: nothing. */
  readonly more?: string;
}

/** The error `context_overflow` with its numbers. `cause`: what the server said, in its own words. */
export function overflowError(
  backend: Pick<Backend, 'name' | 'url'>,
  overflow: Overflow,
  cause?: BackendError,
): BackendError {
  const { promptTokens, isCounted, context, limit, more = '' } = overflow;
  const said = cause === undefined ? '' : `; it says: ${withoutAddress(backend, cause.message)}`;
  const size = context === null ? 'more than the context' : `and the context ${context}`;
  const text = `the prompt has ${isCounted ? '' : 'about '}${promptTokens} tokens, ${size}, which is ${limit}${more}${said}`;
  return backendError(backend, 'context_overflow', text, cause);
}

function withoutAddress({ name, url }: Pick<Backend, 'name' | 'url'>, message: string): string {
  const address = `${name} at ${url}: `;
  return message.startsWith(address) ? message.slice(address.length) : message;
}

/**
 * The tokens of the prompt that a server names where it refuses one; null where it names none. llama.cpp:
 * `request (8123 tokens) exceeds the available context size (4096 tokens)`, `input (8123 tokens) is larger
 * than the max context size`, `"n_prompt_tokens": 8123`; LM Studio: `Trying to keep the first 15857 tokens`,
 * `n_keep (15028) >= n_ctx (7424)`; vLLM: `your request has 40000 input tokens`, `your prompt contains at
 * least 24576 input tokens`, `You passed 40000 input tokens`, `(112946 in the messages`, `prompt (length
 * 40000)`.
 */
export function promptTokensIn(message: string): number | null {
  return numberIn(message, PROMPT_TOKENS);
}

const PROMPT_TOKENS = [
  /(?:request|input) \((\d{1,9}) tokens\)/i,
  /n_prompt_tokens\W{1,8}(\d{1,9})\b/i,
  /keep the first (\d{1,9}) tokens/i,
  /n_keep \((\d{1,9})\)/i,
  /(?:has|contains|contains at least|passed) (\d{1,9}) input tokens/i,
  /\((\d{1,9}) in the messages/i,
  /prompt \(length (\d{1,9})\)/i,
];

/** The context that a server names where it refuses a prompt, in tokens; null where it names none. */
export function contextIn(message: string): number | null {
  return numberIn(message, CONTEXTS);
}

const CONTEXTS = [
  /(?:available|max) context size \((\d{1,9}) tokens\)/i,
  /n_ctx\W{1,8}(\d{1,9})\b/i,
  /(?:maximum context length is|context length is only|maximum model length of) (\d{1,9})\b/i,
  /context length of only (\d{1,9})\b/i,
];

function numberIn(message: string, wordings: readonly RegExp[]): number | null {
  for (const wording of wordings) {
    const found = wording.exec(message);
    if (found !== null) return Number(found[1]);
  }
  return null;
}
