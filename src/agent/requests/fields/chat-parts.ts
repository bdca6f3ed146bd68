import {
  either,
  type Field,
  type Fields,
  FLAG,
  forms,
  from,
  list,
  media,
  NAME,
  object,
  SCHEMA,
  TEXT,
  word,
} from '../field.js';
import { STORED } from './sampling.js';
import { LLAMA_CPP } from './sources.js';

/**
 * How many parts one message may have, and how many tools one call. Today's coding agents bring up to 200
 * tools.
 */
export const MAX_PARTS = 256;
export const MAX_TOOLS = 512;
/** How many messages, or items, one call may have: a conversation that is sent whole at every turn. */
export const MAX_MESSAGES = 4096;

export const WHY_NO_PART = 'this agent passes on texts, and pictures, sounds and files that are in the call';
export const WHY_NO_TOOL =
  'this agent passes on tools that the client runs (function, custom), and none that a server runs';
export const WHY_NO_FORMAT = 'an answer may be text, JSON, or JSON by a schema';

const TEXT_PART: Fields = { text: TEXT };

/** https://platform.openai.com/docs/api-reference/chat/create: messages[].content[], by its type. */
const CONTENT_PART = forms('type', WHY_NO_PART, {
  text: TEXT_PART,
  image_url: {
    image_url: either(
      media('image', 'url'),
      object({ url: media('image', 'url'), detail: word('auto', 'low', 'high', 'original') }),
    ),
  },
  input_audio: { input_audio: object({ data: media('audio', 'base64'), format: word('wav', 'mp3') }) },
  // Its `filename` is dropped: no server needs it, and one might take it for a path.
  file: { file: object({ file_data: media('file', 'both'), file_id: STORED }) },
  refusal: { refusal: TEXT },
});

/** The content of a message: a text, or parts. */
export const CONTENT = either(TEXT, list(CONTENT_PART, MAX_PARTS));

/** A function that the client runs, as it is described to a model. */
export const FUNCTION: Fields = { name: NAME, description: TEXT, parameters: SCHEMA, strict: FLAG };

/** The answer as JSON: https://platform.openai.com/docs/api-reference/chat/create: response_format. */
export const RESPONSE_FORMAT = forms('type', WHY_NO_FORMAT, {
  text: {},
  json_object: { schema: from(LLAMA_CPP, SCHEMA) },
  json_schema: { json_schema: object({ name: NAME, description: TEXT, schema: SCHEMA, strict: FLAG }) },
});

/**
 * A tool that takes free text. Its `format` is dropped: it is text anyway, or a grammar, which is a program
 * that the server would run; local servers take none.
 */
export const CUSTOM_TOOL: Fields = { name: NAME, description: TEXT };

/**
 * How hard a model thinks: `reasoning_effort`, https://platform.openai.com/docs/api-reference/chat/create.
 */
export const EFFORT: Field = word('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max');
