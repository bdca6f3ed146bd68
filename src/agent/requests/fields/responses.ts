import {
  either,
  type Fields,
  FLAG,
  forms,
  from,
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
import {
  CUSTOM_TOOL,
  EFFORT,
  FUNCTION,
  MAX_MESSAGES,
  MAX_PARTS,
  MAX_TOOLS,
  WHY_NO_FORMAT,
  WHY_NO_PART,
  WHY_NO_TOOL,
} from './chat-parts.js';
import { LOCAL_SAMPLING, MAX_TOKENS, SEED, STORED } from './sampling.js';
import { LLAMA_CPP } from './sources.js';

const STATUS = word('in_progress', 'completed', 'incomplete');

/** input[].content[], and what a tool returned. */
const PART = forms('type', WHY_NO_PART, {
  input_text: { text: TEXT },
  input_image: {
    image_url: media('image', 'url'),
    detail: word('auto', 'low', 'high', 'original'),
    file_id: STORED,
  },
  input_audio: { input_audio: object({ data: media('audio', 'base64'), format: word('wav', 'mp3') }) },
  input_file: { file_data: media('file', 'both'), file_id: STORED, file_url: STORED },
  // What the model said earlier. Its annotations and logprobs are dropped: no model reads them.
  output_text: { text: TEXT },
  refusal: { refusal: TEXT },
});

const CONTENT = either(TEXT, list(PART, MAX_PARTS));

const ITEM = forms(
  'type',
  'it may be message, reasoning, or a call or an output of a function or custom tool; a bridge keeps no items',
  {
    message: {
      role: word('system', 'developer', 'user', 'assistant'),
      content: CONTENT,
      id: NAME,
      status: STATUS,
      phase: word('commentary', 'final_answer'),
    },
    function_call: { call_id: NAME, name: NAME, arguments: TEXT, id: NAME, status: STATUS },
    function_call_output: { call_id: NAME, output: CONTENT, id: NAME, status: STATUS },
    custom_tool_call: { call_id: NAME, name: NAME, input: TEXT, id: NAME },
    custom_tool_call_output: { call_id: NAME, output: CONTENT, id: NAME },
    reasoning: {
      id: NAME,
      summary: list(object({ type: word('summary_text'), text: TEXT }), MAX_PARTS),
      content: list(object({ type: word('reasoning_text'), text: TEXT }), MAX_PARTS),
      encrypted_content: TEXT,
      status: STATUS,
    },
  },
  'message',
);

const NAMED_TOOL = forms('type', WHY_NO_TOOL, { function: { name: NAME }, custom: { name: NAME } });

/** `/v1/responses`: https://platform.openai.com/docs/api-reference/responses/create */
export const RESPONSES: Fields = {
  model: NAME,
  input: either(TEXT, list(ITEM, MAX_MESSAGES)),
  instructions: TEXT,
  temperature: number(0, 10),
  top_p: number(0, 1),
  ...LOCAL_SAMPLING,
  seed: from(LLAMA_CPP, SEED),
  max_output_tokens: whole(-1, MAX_TOKENS),
  top_logprobs: whole(0, 20),
  stream: FLAG,
  include: list(word('reasoning.encrypted_content', 'message.output_text.logprobs'), 8),
  text: object({
    format: forms('type', WHY_NO_FORMAT, {
      text: {},
      json_object: {},
      json_schema: { name: NAME, description: TEXT, schema: SCHEMA, strict: FLAG },
    }),
    verbosity: word('low', 'medium', 'high'),
  }),
  reasoning: object({
    effort: EFFORT,
    summary: word('auto', 'concise', 'detailed'),
    generate_summary: word('auto', 'concise', 'detailed'),
  }),
  tools: list(
    forms('type', WHY_NO_TOOL, {
      function: FUNCTION,
      custom: CUSTOM_TOOL,
    }),
    MAX_TOOLS,
  ),
  tool_choice: either(
    word('none', 'auto', 'required'),
    forms('type', WHY_NO_TOOL, {
      function: { name: NAME },
      custom: { name: NAME },
      allowed_tools: { mode: word('auto', 'required'), tools: list(NAMED_TOOL, MAX_TOOLS) },
    }),
  ),
  parallel_tool_calls: FLAG,
  truncation: word('auto', 'disabled'),
  // A stored prompt by its id.
  prompt: STORED,
};
