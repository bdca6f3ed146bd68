import type { StandInRequest } from './stand-in-request.js';

/** Ollama keeps so many tokens of the beginning of a prompt that it cuts (its `num_keep`). */
const KEPT_TOKENS = 4;

/** What becomes of a prompt in a context. The stand-in has a token for each word. */
export type FittedPrompt =
  | { readonly fits: true; readonly promptTokens: number; readonly request: StandInRequest }
  | { readonly fits: false; readonly promptTokens: number };

/**
 * Puts a prompt into a context of so many tokens, as Ollama does: one that does not fit is refused where
 * `truncate` is false; else its middle is left out without a word, half of the context stays for the answer,
 * and what is asked is another question. Ollama before 0.12.6 knows no `truncate` and fills the context.
 */
export function fitPrompt(request: StandInRequest, context: number, isOld: boolean): FittedPrompt {
  const words = request.conversation.split(/\s+/);
  if (words.length < context) return { fits: true, promptTokens: words.length, request };
  if (!request.truncate && !isOld) return { fits: false, promptTokens: words.length };
  const room = isOld ? context : context - Math.max(Math.floor((context - KEPT_TOKENS) / 2), 1);
  const kept = [...words.slice(0, KEPT_TOKENS), ...words.slice(words.length - (room - KEPT_TOKENS))];
  const question = kept.join(' ');
  return { fits: true, promptTokens: room, request: { ...request, question, conversation: question } };
}
