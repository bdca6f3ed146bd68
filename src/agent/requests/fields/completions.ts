import { either, type Fields, FLAG, list, map, NAME, number, object, TEXT, whole, word } from '../field.js';
import { INPUTS, LOCAL_SAMPLING, MAX_CHOICES, MAX_TOKENS, OPENAI_SAMPLING, TOKEN } from './sampling.js';

/** How many prompts one call may have: each is answered `n` times. */
const MAX_PROMPTS = 16;

/** `/v1/completions`: https://platform.openai.com/docs/api-reference/completions/create */
export const COMPLETIONS: Fields = {
  model: NAME,
  // A text; several; the tokens of one. Not several lists of tokens, so that a list says how many there are.
  prompt: either(TEXT, list(TEXT, MAX_PROMPTS), list(TOKEN, MAX_TOKENS)),
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

/** `/v1/embeddings`: https://platform.openai.com/docs/api-reference/embeddings/create */
export const EMBEDDINGS: Fields = {
  model: NAME,
  input: INPUTS,
  dimensions: whole(1, 65_536),
  encoding_format: word('float', 'base64'),
};
