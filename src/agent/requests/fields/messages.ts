import {
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
import { MAX_MESSAGES, MAX_PARTS, MAX_TOOLS, WHY_NO_FORMAT, WHY_NO_PART, WHY_NO_TOOL } from './chat-parts.js';
import { MAX_TOKENS, STOPS } from './sampling.js';
import { STRUCTURED_OUTPUTS } from './sources.js';

const WHY_NO_SOURCE = 'this agent fetches nothing and keeps no files: send it as base64';

const TEXT_BLOCK: Fields = { text: TEXT };

const IMAGE_BLOCK: Fields = {
  source: forms('type', WHY_NO_SOURCE, {
    base64: {
      media_type: word('image/png', 'image/jpeg', 'image/gif', 'image/webp'),
      data: media('image', 'base64'),
    },
  }),
};

const DOCUMENT_BLOCK: Fields = {
  source: forms('type', WHY_NO_SOURCE, {
    base64: { media_type: word('application/pdf'), data: media('file', 'base64') },
    text: { media_type: word('text/plain'), data: TEXT },
    content: {
      content: either(
        TEXT,
        list(forms('type', WHY_NO_PART, { text: TEXT_BLOCK, image: IMAGE_BLOCK }), MAX_PARTS),
      ),
    },
  }),
  title: TEXT,
  context: TEXT,
};

/** What a tool returned. A tool result has no tool results in it. */
const RESULT = either(
  TEXT,
  list(
    forms('type', WHY_NO_PART, { text: TEXT_BLOCK, image: IMAGE_BLOCK, document: DOCUMENT_BLOCK }),
    MAX_PARTS,
  ),
);

const BLOCK = forms('type', WHY_NO_PART, {
  text: TEXT_BLOCK,
  image: IMAGE_BLOCK,
  document: DOCUMENT_BLOCK,
  thinking: { thinking: TEXT, signature: TEXT },
  redacted_thinking: { data: TEXT },
  tool_use: { id: NAME, name: NAME, input: JSON_VALUE },
  tool_result: { tool_use_id: NAME, content: RESULT, is_error: FLAG },
});

const CONTENT = either(TEXT, list(BLOCK, MAX_PARTS));

const FORMAT = forms('type', WHY_NO_FORMAT, { json_schema: { schema: SCHEMA } });

const THINKING_DISPLAY = word('summarized', 'omitted');

/** `/v1/messages`: https://docs.anthropic.com/en/api/messages */
export const MESSAGES: Fields = {
  model: NAME,
  messages: list(object({ role: word('user', 'assistant', 'system'), content: CONTENT }), MAX_MESSAGES),
  system: either(TEXT, list(forms('type', WHY_NO_PART, { text: TEXT_BLOCK }), MAX_PARTS)),
  max_tokens: whole(0, MAX_TOKENS),
  temperature: number(0, 10),
  top_p: number(0, 1),
  top_k: whole(0, 1_000_000),
  stop_sequences: STOPS,
  stream: FLAG,
  tools: list(
    forms(
      'type',
      WHY_NO_TOOL,
      { custom: { name: NAME, description: TEXT, input_schema: SCHEMA, strict: FLAG } },
      'custom',
    ),
    MAX_TOOLS,
  ),
  tool_choice: forms('type', 'it may be auto, any, tool or none', {
    auto: { disable_parallel_tool_use: FLAG },
    any: { disable_parallel_tool_use: FLAG },
    tool: { name: NAME, disable_parallel_tool_use: FLAG },
    none: {},
  }),
  thinking: forms('type', 'it may be enabled, adaptive or disabled', {
    enabled: { budget_tokens: whole(0, MAX_TOKENS), display: THINKING_DISPLAY },
    adaptive: { display: THINKING_DISPLAY },
    disabled: {},
  }),
  // The older name of `output_config.format`: anthropic-beta structured-outputs-2025-11-13.
  output_format: from(STRUCTURED_OUTPUTS, FORMAT),
  output_config: object({
    effort: word('low', 'medium', 'high', 'xhigh', 'max'),
    format: FORMAT,
  }),
};
