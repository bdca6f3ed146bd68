import { expect, test } from 'vitest';
import { createAgent } from '../../../../src/agent/create-agent.js';
import { requirePassFields } from '../../../../src/agent/requests/refused-fields.js';
import { answerSchema, MAX_DROPPED } from '../../../../src/protocol/answer.js';
import { PICTURE } from '../../../support/hostile/hostile-calls.js';
import { judged, passed } from './judge-fixture.js';

const TOOL = { name: 'weather', description: 'of a town', parameters: { type: 'object', properties: {} } };
const ASKED = { role: 'user', content: 'hello' };

/** Calls as clients of today send them: each passes as it is. */
const ORDINARY: [what: string, path: string, body: Record<string, unknown>][] = [
  ['the least of a chat', '/v1/chat/completions', { model: 'm', messages: [ASKED] }],
  [
    'a chat with all its settings',
    '/v1/chat/completions',
    {
      model: 'm',
      messages: [{ role: 'system', content: [{ type: 'text', text: 'be brief' }] }, ASKED],
      temperature: 0.2,
      top_p: 0.9,
      n: 2,
      stop: ['\n', 'END'],
      seed: -1,
      max_tokens: -1,
      max_completion_tokens: 100,
      logit_bias: { '50256': -100 },
      logprobs: true,
      top_logprobs: 5,
      stream: true,
      stream_options: { include_usage: true },
      reasoning_effort: 'low',
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } },
    },
  ],
  [
    'a turn of tools',
    '/v1/chat/completions',
    {
      messages: [
        ASKED,
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"a":1}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: '12 degrees' },
      ],
      tools: [{ type: 'function', function: TOOL }],
      tool_choice: { type: 'function', function: { name: 'weather' } },
      parallel_tool_calls: false,
    },
  ],
  [
    'a picture that is in the call',
    '/v1/chat/completions',
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'what is http://example.com/ and this?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PICTURE}`, detail: 'low' } },
          ],
        },
      ],
    },
  ],
  ['a completion', '/v1/completions', { prompt: ['a', 'b'], suffix: 'c', n: 4, best_of: 4, logprobs: 5 }],
  ['tokens of a completion', '/v1/completions', { prompt: [1, 2, 3], echo: true }],
  ['vectors of texts', '/v1/embeddings', { input: ['a', 'b'], dimensions: 256, encoding_format: 'base64' }],
  ['vectors of tokens', '/v1/embeddings', { input: [[1, 2], [3]] }],
  [
    'a response',
    '/v1/responses',
    {
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'hello' }] },
        { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 's' }] },
        { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c1', output: '12 degrees' },
      ],
      instructions: 'be brief',
      tools: [{ type: 'function', strict: null, ...TOOL }],
      text: { format: { type: 'json_object' }, verbosity: 'low' },
      reasoning: { effort: 'high', summary: 'auto' },
      include: ['reasoning.encrypted_content'],
      max_output_tokens: 100,
    },
  ],
  [
    'a message with tools, thinking and a document',
    '/v1/messages',
    {
      max_tokens: 64_000,
      system: [{ type: 'text', text: 'be brief' }],
      thinking: { type: 'enabled', budget_tokens: 2000 },
      tools: [{ name: 'weather', input_schema: { type: 'object' } }],
      tool_choice: { type: 'any' },
      stop_sequences: ['END'],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PICTURE } },
            { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a text' } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 's' },
            { type: 'tool_use', id: 't1', name: 'weather', input: { town: { name: 'Graz' } } },
          ],
        },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: '12' }] }],
        },
      ],
    },
  ],
  [
    'a native chat',
    '/api/chat',
    {
      model: 'm',
      messages: [{ role: 'user', content: 'hello', images: [PICTURE] }],
      options: { num_ctx: 32_768, num_predict: -2, temperature: 0, stop: ['x'] },
      format: { type: 'object' },
      think: 'high',
      tools: [{ type: 'function', function: TOOL }],
    },
  ],
  [
    'a native completion',
    '/api/generate',
    { prompt: 'a', system: 's', raw: true, format: 'json', think: true },
  ],
  ['native vectors', '/api/embed', { input: 'a', truncate: false, options: { num_ctx: 512 } }],
  ['native vectors, as they used to be', '/api/embeddings', { prompt: 'a' }],
];

test.each(ORDINARY)('%s passes as it is', (_what, path, body) => {
  expect(passed(path, body)).toEqual({ path, body, model: body.model, dropped: [] });
});

test('a field that is in no list is left out and named, nested ones by their place', () => {
  const call = passed('/api/chat', {
    model: 'm',
    keep_alive: -1,
    options: { num_gpu: 99, main_gpu: 1, num_thread: 64, num_batch: 1, use_mmap: false, top_k: 1 },
    messages: [
      { role: 'user', content: 'a', cache: 1 },
      { role: 'user', content: 'b', cache: 2 },
    ],
  });
  expect(call.body).toEqual({
    model: 'm',
    options: { top_k: 1 },
    messages: [
      { role: 'user', content: 'a' },
      { role: 'user', content: 'b' },
    ],
  });
  expect(call.dropped).toEqual([
    'keep_alive',
    'options.num_gpu',
    'options.main_gpu',
    'options.num_thread',
    'options.num_batch',
    'options.use_mmap',
    'messages.cache',
  ]);
});

test.each([
  ['/v1/chat/completions', ['store', 'user', 'metadata', 'service_tier', 'cache_prompt', 'ttl']],
  ['/v1/responses', ['store', 'user', 'metadata', 'background', 'prompt_cache_key']],
  ['/v1/messages', ['metadata', 'service_tier', 'cache_control', 'context_management']],
])('%s leaves out %j', (path, names) => {
  const call = passed(path, Object.fromEntries(names.map((name) => [name, 'x'])));
  expect(call).toMatchObject({ body: {}, dropped: names });
});

test('what is dropped always fits an answer, however many and however long the names are', () => {
  const body = Object.fromEntries(
    Array.from({ length: 200 }, (_, at) => [`\n${'\u{1f600}'.repeat(300)}${at}`, 1]),
  );
  for (const path of ['/v1/chat/completions', '/api/chat']) {
    const { dropped } = passed(path, { a: 1, b: { c: 1 }, ...body, ...numbered(200) });
    expect(dropped).toHaveLength(MAX_DROPPED);
    expect(dropped.at(-1)).toMatch(/^and \d+ more$/);
    expect(answerSchema.shape.dropped.safeParse(dropped).success).toBe(true);
  }
});

test('an unused field that would be refused is left out: clients write null into all that they know', () => {
  const body = {
    input: 'a',
    previous_response_id: null,
    conversation: null,
    prompt: null,
    temperature: null,
  };
  expect(passed('/v1/responses', body)).toMatchObject({
    body: { input: 'a', temperature: null },
    dropped: [],
  });
});

test('a field of --pass-field passes with what is in it, at its own place only', () => {
  const body = { chat_template_kwargs: { enable_thinking: false }, options: { num_thread: 8, num_gpu: 1 } };
  expect(passed('/api/chat', body, ['chat_template_kwargs', 'options.num_thread'])).toMatchObject({
    body: { chat_template_kwargs: { enable_thinking: false }, options: { num_thread: 8 } },
    dropped: ['options.num_gpu'],
  });
  expect(passed('/api/chat', { num_thread: 8 }, ['options.num_thread'])).toMatchObject({ body: {} });
});

test.each([
  ['lora', 'never passes'],
  ['chat_template', 'never passes'],
  ['options.id_slot', 'never passes'],
  ['previous_response_id', 'never passes'],
  ['__proto__', 'is no name of a field'],
  ['a b', 'is no name of a field'],
  ['messages.0', 'is no name of a field'],
  ['', 'is no name of a field'],
])('--pass-field %j is refused: it %s', (name, why) => {
  const usage = expect.objectContaining({ code: 'usage', message: expect.stringContaining(why) });
  expect(() => requirePassFields(['keep_alive', name])).toThrow(usage);
  expect(() => createAgent({ repo: '/nowhere', passFields: [name] })).toThrow(usage);
});

test('a picture goes on with the type that its bytes say', () => {
  const url = (head: string) => ({
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: `${head}${PICTURE}` } }] }],
  });
  const call = passed('/v1/chat/completions', url('data:text/html;charset=x;base64,'));
  expect(call.body).toEqual(url('data:image/png;base64,'));
});

test('a refusal is a sentence that begins with the field', () => {
  const call = judged('/v1/chat/completions', { n: 100 });
  expect(call).toEqual({ refused: { field: 'n', message: 'n is 100; it may be 1 to 8' } });
  expect(judged('/api/chat', { options: { num_ctx: 65_536 } })).toEqual({
    refused: {
      field: 'options.num_ctx',
      message: 'options.num_ctx is 65536; this agent allows at most 32768 (--max-context)',
    },
  });
});

function numbered(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`field_${at}`, at]));
}
