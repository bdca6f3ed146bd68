import { FieldRefused } from '../call-place.js';
import { either, type Fields, FLAG, list, map, NAME, number, object, TEXT, whole, word } from '../field.js';
import { INPUTS, LOCAL_SAMPLING, MAX_CHOICES, MAX_TOKENS, OPENAI_SAMPLING, TOKEN } from './sampling.js';

/** `/v1/completions`: https://platform.openai.com/docs/api-reference/completions/create */
export const COMPLETIONS: Fields = {
  model: NAME,
  // A text; several texts, each of which has answers of its own; or the tokens of one. Several lists of
  // tokens are refused, so that the number of prompts can be told from the list.
  prompt: either(TEXT, list(TEXT, MAX_CHOICES), list(TOKEN, MAX_TOKENS)),
  suffix: TEXT,
  ...OPENAI_SAMPLING,
  ...LOCAL_SAMPLING,
  n: whole(1, MAX_CHOICES),
  best_of: whole(1, MAX_CHOICES),
  echo: FLAG,
  max_tokens: whole(-1, MAX_TOKENS),
  logit_bias: map(/^\d{1,7}$/, number(-100, 100), 1024),
  logprobs: whole(0, 20),
  stream: FLAG,
  stream_options: object({ include_usage: FLAG }),
};

/**
 * Throws FieldRefused where all prompts of a call together ask for more than MAX_CHOICES answers: each
 * prompt is answered `n` times, and a server generates `best_of` answers to each to choose from.
 */
export function requireFewAnswers({ prompt, n, best_of }: Readonly<Record<string, unknown>>): void {
  const prompts = Array.isArray(prompt) && typeof prompt[0] === 'string' ? prompt.length : 1;
  const each = Math.max(1, ...[n, best_of].filter((one) => typeof one === 'number'));
  if (prompts * each <= MAX_CHOICES) return;
  const why = `is ${each} for each of ${prompts} prompts; a call may ask for ${MAX_CHOICES} answers in all`;
  throw new FieldRefused(each === best_of ? 'best_of' : 'n', why);
}

/** `/v1/embeddings`: https://platform.openai.com/docs/api-reference/embeddings/create */
export const EMBEDDINGS: Fields = {
  model: NAME,
  input: INPUTS,
  dimensions: whole(1, 65_536),
  encoding_format: word('float', 'base64'),
};
