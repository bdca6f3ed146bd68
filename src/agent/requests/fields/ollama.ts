import {
  CONTEXT,
  either,
  type Fields,
  FLAG,
  forms,
  from,
  JSON_VALUE,
  list,
  media,
  NAME,
  number,
  object,
  SCHEMA,
  TEXT,
  whole,
  word,
} from '../field.js';
import { FUNCTION, MAX_MESSAGES, MAX_TOOLS, WHY_NO_TOOL } from './chat-parts.js';
import { INPUTS, MAX_TOKENS, SEED, STOPS, TOKEN } from './sampling.js';
import { OLLAMA_OPTIONS } from './sources.js';

/**
 * The options of Ollama, without those of its Runner, except num_ctx: they load a model again, or choose
 * where it runs (num_gpu, main_gpu, num_thread, num_batch, use_mmap, draft_num_predict).
 */
const OPTIONS = from(
  OLLAMA_OPTIONS,
  object({
    num_ctx: CONTEXT,
    // -1: without end; -2: until the context is full.
    num_predict: whole(-2, MAX_TOKENS),
    num_keep: whole(-1, MAX_TOKENS),
    seed: SEED,
    temperature: number(0, 10),
    top_k: whole(-1, 1_000_000),
    top_p: number(0, 1),
    min_p: number(0, 1),
    typical_p: number(0, 1),
    repeat_last_n: whole(-1, MAX_TOKENS),
    repeat_penalty: number(0, 10),
    presence_penalty: number(-2, 2),
    frequency_penalty: number(-2, 2),
    stop: STOPS,
  }),
);

/**
 * Base64 alone. Ollama's own client, which reads a string as a path where it can, does not send calls here.
 */
const IMAGES = list(media('image', 'base64'), 64);

/** `json`, a JSON Schema, or nothing. */
const FORMAT = either(word('json', ''), SCHEMA);

const THINK = either(FLAG, word('low', 'medium', 'high', 'max'));

/** The fields that both `/api/chat` and `/api/generate` have. */
const GENERATION: Fields = {
  model: NAME,
  stream: FLAG,
  format: FORMAT,
  options: OPTIONS,
  think: THINK,
  truncate: FLAG,
  shift: FLAG,
  logprobs: FLAG,
  top_logprobs: whole(0, 20),
};

/** `/api/chat`: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion */
export const NATIVE_CHAT: Fields = {
  ...GENERATION,
  messages: list(
    object({
      role: word('system', 'user', 'assistant', 'tool'),
      content: TEXT,
      thinking: TEXT,
      images: IMAGES,
      tool_calls: list(
        object({
          id: NAME,
          type: word('function'),
          function: object({ index: whole(0, MAX_TOOLS), name: NAME, arguments: JSON_VALUE }),
        }),
        MAX_TOOLS,
      ),
      tool_name: NAME,
      tool_call_id: NAME,
    }),
    MAX_MESSAGES,
  ),
  tools: list(
    forms('type', WHY_NO_TOOL, { function: { function: object(FUNCTION) } }, 'function'),
    MAX_TOOLS,
  ),
};

/** `/api/generate`: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-completion */
export const NATIVE_GENERATE: Fields = {
  ...GENERATION,
  prompt: TEXT,
  suffix: TEXT,
  system: TEXT,
  images: IMAGES,
  raw: FLAG,
  // The tokens of an earlier answer, as the server gave them.
  context: list(TOKEN, MAX_TOKENS),
};

/** `/api/embed`: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings */
export const NATIVE_EMBED: Fields = {
  model: NAME,
  input: INPUTS,
  truncate: FLAG,
  dimensions: whole(1, 65_536),
  options: OPTIONS,
};

/** `/api/embeddings`: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embedding */
export const NATIVE_EMBEDDINGS: Fields = { model: NAME, prompt: TEXT, options: OPTIONS };
