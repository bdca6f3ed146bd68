import type { RequestPath } from '../../src/protocol/request.js';

/*
 * A call of a tool by the smallest of models. What went before shows it how, the choice of the tool makes
 * llama.cpp hold it to the form (`--jinja`, with a template that has tools), and a schema makes Ollama.
 * Where Ollama takes no schema, the template of the model shows it (test/real/tools.Modelfile).
 */

const CITY = { type: 'object', properties: { city: { enum: ['Rome', 'Oslo'] } }, required: ['city'] };
const NAME = 'get_weather';

/** The form of a call, which Ollama reads out of the text of a model. */
const HELD = {
  type: 'object',
  properties: { name: { const: NAME }, parameters: CITY },
  required: ['name', 'parameters'],
};

/** What holds Ollama's models to a call on the paths that it speaks beside its own. */
export const HELD_BY_OLLAMA: { readonly [Path in RequestPath]?: Readonly<Record<string, unknown>> } = {
  '/v1/chat/completions': {
    response_format: { type: 'json_schema', json_schema: { name: 'call', schema: HELD } },
  },
  '/v1/responses': { text: { format: { type: 'json_schema', name: 'call', schema: HELD } } },
};

const BEFORE = [
  ['Oslo', 'snow'],
  ['Rome', 'sun'],
  ['Oslo', 'rain'],
] as const;
const questionOf = (city: string) => ({ role: 'user', content: `What is the weather in ${city}?` });
const LAST = questionOf('Rome');
const SAME = { temperature: 0, seed: 1 };

/** The same question on each path, to be sent with a model that has tools. */
export const TOOL_CALLS: { readonly [Path in RequestPath]?: Readonly<Record<string, unknown>> } = {
  '/v1/chat/completions': {
    messages: [...chatBefore((city) => JSON.stringify({ city })), LAST],
    tools: [{ type: 'function', function: { name: NAME, parameters: CITY } }],
    ...{ tool_choice: 'required', max_tokens: 30, stream_options: { include_usage: true }, ...SAME },
  },
  '/v1/responses': {
    input: [
      ...BEFORE.flatMap(([city, weather], at) => [
        questionOf(city),
        { type: 'function_call', call_id: `call_${at}`, name: NAME, arguments: JSON.stringify({ city }) },
        { type: 'function_call_output', call_id: `call_${at}`, output: weather },
        // llama.cpp takes what the model said earlier in this form alone.
        {
          ...{ type: 'message', role: 'assistant', status: 'completed' },
          content: [{ type: 'output_text', text: weather, annotations: [] }],
        },
      ]),
      LAST,
    ],
    tools: [{ type: 'function', name: NAME, parameters: CITY }],
    ...{ tool_choice: 'required', max_output_tokens: 30, ...SAME },
  },
  '/v1/messages': {
    messages: [
      ...BEFORE.flatMap(([city, weather], at) => [
        questionOf(city),
        { role: 'assistant', content: [{ type: 'tool_use', id: `call_${at}`, name: NAME, input: { city } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: `call_${at}`, content: weather }] },
        { role: 'assistant', content: weather },
      ]),
      LAST,
    ],
    tools: [{ name: NAME, input_schema: CITY }],
    ...{ tool_choice: { type: 'any' }, max_tokens: 30, temperature: 0 },
  },
  '/api/chat': {
    messages: [...chatBefore((city) => ({ city })), LAST],
    tools: [{ type: 'function', function: { name: NAME, parameters: CITY } }],
    format: HELD,
    options: { num_predict: 30, ...SAME },
  },
};

/** The calls before, as chat messages. `argumentsOf`: as this API writes them. */
function chatBefore(argumentsOf: (city: string) => unknown) {
  return BEFORE.flatMap(([city, weather], at) => [
    questionOf(city),
    {
      ...{ role: 'assistant', content: '' },
      tool_calls: [
        { id: `call_${at}`, type: 'function', function: { name: NAME, arguments: argumentsOf(city) } },
      ],
    },
    { role: 'tool', tool_call_id: `call_${at}`, content: weather },
    { role: 'assistant', content: weather },
  ]);
}
