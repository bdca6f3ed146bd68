import {
  either,
  type Fields,
  FLAG,
  forms,
  from,
  list,
  map,
  NAME,
  number,
  object,
  TEXT,
  whole,
  word,
} from '../field.js';
import {
  CONTENT,
  CUSTOM_TOOL,
  EFFORT,
  FUNCTION,
  MAX_MESSAGES,
  MAX_TOOLS,
  RESPONSE_FORMAT,
  WHY_NO_TOOL,
} from './chat-parts.js';
import { LOCAL_SAMPLING, MAX_CHOICES, MAX_TOKENS, OPENAI_SAMPLING, STORED } from './sampling.js';
import { LLAMA_CPP, OLLAMA_OPENAI } from './sources.js';

/** A call of a tool, as the model made it earlier. */
const TOOL_CALL = forms(
  'type',
  WHY_NO_TOOL,
  {
    function: { id: NAME, index: whole(0, MAX_TOOLS), function: object({ name: NAME, arguments: TEXT }) },
    custom: { id: NAME, index: whole(0, MAX_TOOLS), custom: object({ name: NAME, input: TEXT }) },
  },
  'function',
);

const SAID: Fields = { content: CONTENT, name: NAME };

const MESSAGE = forms('role', 'it may be system, developer, user, assistant, tool or function', {
  system: SAID,
  developer: SAID,
  user: SAID,
  assistant: {
    ...SAID,
    refusal: TEXT,
    // Thinking that goes back to the model.
    reasoning_content: from(LLAMA_CPP, TEXT),
    reasoning: from(OLLAMA_OPENAI, TEXT),
    tool_calls: list(TOOL_CALL, MAX_TOOLS),
    function_call: object({ name: NAME, arguments: TEXT }),
    audio: STORED,
  },
  tool: { ...SAID, tool_call_id: NAME },
  function: SAID,
});

const NAMED_FUNCTION: Fields = { function: object({ name: NAME }) };
const NAMED_CUSTOM: Fields = { custom: object({ name: NAME }) };
const NAMED_TOOL = forms('type', WHY_NO_TOOL, { function: NAMED_FUNCTION, custom: NAMED_CUSTOM }, 'function');

/** `/v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat/create */
export const CHAT_COMPLETIONS: Fields = {
  model: NAME,
  messages: list(MESSAGE, MAX_MESSAGES),
  ...OPENAI_SAMPLING,
  ...LOCAL_SAMPLING,
  n: whole(1, MAX_CHOICES),
  // -1: as many as there is room for (LM Studio, llama.cpp).
  max_tokens: whole(-1, MAX_TOKENS),
  max_completion_tokens: whole(-1, MAX_TOKENS),
  logit_bias: map(/^\d{1,7}$/, number(-100, 100), 1024),
  logprobs: FLAG,
  top_logprobs: whole(0, 20),
  stream: FLAG,
  stream_options: object({ include_usage: FLAG }),
  response_format: RESPONSE_FORMAT,
  tools: list(
    forms(
      'type',
      WHY_NO_TOOL,
      {
        function: { function: object(FUNCTION) },
        custom: { custom: object(CUSTOM_TOOL) },
      },
      'function',
    ),
    MAX_TOOLS,
  ),
  tool_choice: either(
    word('none', 'auto', 'required'),
    forms('type', WHY_NO_TOOL, {
      function: NAMED_FUNCTION,
      custom: NAMED_CUSTOM,
      allowed_tools: {
        allowed_tools: object({ mode: word('auto', 'required'), tools: list(NAMED_TOOL, MAX_TOOLS) }),
      },
    }),
  ),
  parallel_tool_calls: FLAG,
  // The older form of `tools`.
  functions: list(object(FUNCTION), MAX_TOOLS),
  function_call: either(word('none', 'auto'), object({ name: NAME })),
  reasoning_effort: EFFORT,
  reasoning: from(OLLAMA_OPENAI, object({ effort: EFFORT })),
  verbosity: word('low', 'medium', 'high'),
  modalities: list(word('text'), 1),
  prediction: object({
    type: word('content'),
    content: either(TEXT, list(object({ type: word('text'), text: TEXT }), 256)),
  }),
};
