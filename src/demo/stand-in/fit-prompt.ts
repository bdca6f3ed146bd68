import type { StandInRequest } from './stand-in-request.js';

/** How many tokens Ollama keeps of the beginning of a prompt that it cuts (its `num_keep`). */
const KEPT_TOKENS = 4;

/** A prompt in a context. The stand-in has a token for each word. */
export type FittedPrompt =
  | { readonly fits: true; readonly promptTokens: number; readonly request: StandInRequest }
  | { readonly fits: false; readonly promptTokens: number };

/**
 * Puts a prompt into a context of `context` tokens, as Ollama does. One that does not fit is refused where
 * `truncate` is false. Else all messages but the last question are left out without a word, and a prompt
 * whose last question alone does not fit is refused. Ollama before 0.12.6 knows no `truncate`: it leaves out
 * the middle of the prompt, fills the context, and so answers another question.
 */
export function fitPrompt(request: StandInRequest, context: number, isOld: boolean): FittedPrompt {
  const words = wordsOf(request.conversation);
  if (words.length < context) return { fits: true, promptTokens: words.length, request };
  if (!isOld) {
    const last = wordsOf(request.question);
    if (!request.truncate || last.length >= context) return { fits: false, promptTokens: words.length };
    return { fits: true, promptTokens: last.length, request: { ...request, conversation: request.question } };
  }
  const kept = [...words.slice(0, KEPT_TOKENS), ...words.slice(words.length - (context - KEPT_TOKENS))];
  const question = kept.join(' ');
  return { fits: true, promptTokens: context, request: { ...request, question, conversation: question } };
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/);
}
