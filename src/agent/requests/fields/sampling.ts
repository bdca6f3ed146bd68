import { either, type Fields, from, list, number, refused, TEXT, text, whole } from '../field.js';
import { LLAMA_CPP, LM_STUDIO } from './sources.js';

/**
 * The most tokens that a call may ask for: as many as the largest contexts have. An answer is ended by its
 * size (`bridge.maxAnswerBytes`) and its deadline anyway.
 */
export const MAX_TOKENS = 1_048_576;

/** How many answers one call may ask for: each takes its own time and memory. */
export const MAX_CHOICES = 8;

/** How many texts, or lists of tokens, one call may have made into vectors: OpenAI's own limit. */
const MAX_INPUTS = 2048;

/** Texts at which to stop. OpenAI takes 4, others more. A server searches for each at every token. */
export const STOPS = list(text(1000), 16);

/** A seed: any whole number that JSON carries exactly. */
export const SEED = whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

/** A token by its number: vocabularies stay below a million. */
export const TOKEN = whole(0, 9_999_999);

/** Sampling as OpenAI's APIs name it, wherever they take it. */
export const OPENAI_SAMPLING: Fields = {
  temperature: number(0, 10),
  top_p: number(0, 1),
  frequency_penalty: number(-2, 2),
  presence_penalty: number(-2, 2),
  seed: SEED,
  stop: either(text(1000), STOPS),
};

/** Sampling that local servers take beside OpenAI's. All are numbers. */
export const LOCAL_SAMPLING: Fields = {
  top_k: from(LM_STUDIO, whole(-1, 1_000_000)),
  min_p: from(LLAMA_CPP, number(0, 1)),
  typical_p: from(LLAMA_CPP, number(0, 1)),
  repeat_penalty: from(LM_STUDIO, number(0, 10)),
  repeat_last_n: from(LLAMA_CPP, whole(-1, MAX_TOKENS)),
};

/** The stored prompts, files and conversations of an API: a bridge has only what is in the call. */
export const STORED = refused(
  'names something that is kept elsewhere, and a bridge has only what is in the call',
);

/** What to make vectors of: one text, or a list, as text or as tokens. */
export const INPUTS = either(
  TEXT,
  list(TEXT, MAX_INPUTS),
  list(TOKEN, MAX_TOKENS),
  list(list(TOKEN, MAX_TOKENS), MAX_INPUTS),
);
