import { expect, test } from 'vitest';
import type { Assembler } from '../../../../../src/agent/requests/assemble/assembler.js';
import { openAssembler } from '../../../../../src/agent/requests/assemble/open-assembler.js';
import type { RequestPath } from '../../../../../src/protocol/request.js';

type Body = Record<string, unknown>;

/** An event of OpenAI's streams. */
const data = (value: unknown) => `data: ${JSON.stringify(value)}`;
/** An event of a stream whose events have names. */
const named = (type: string, value: object) => `event: ${type}\n${data({ type, ...value })}`;
const DONE = 'data: [DONE]';

const chunk = (delta: unknown, more: object = {}, head: object = {}) =>
  data({
    ...{ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', ...head },
    choices: [{ index: 0, delta, finish_reason: null, ...more }],
  });
const ends = (reason: string) => chunk({}, { finish_reason: reason });

function fed(path: RequestPath, events: readonly string[]): Assembler {
  const assembler = openAssembler(path);
  for (const event of events) assembler.take(event);
  return assembler;
}

const chat = (...events: string[]) => fed('/v1/chat/completions', events);
const choicesOf = (assembler: Assembler) => assembler.body().choices as Body[];
const messageOf = (assembler: Assembler) => choicesOf(assembler)[0]?.message as Body;

const call = (index: number, more: object) => ({ tool_calls: [{ index, ...more }] });

test('a chat has its message, its end, its usage and what else the server says', () => {
  const assembler = chat(
    chunk({ role: 'assistant', content: null }),
    chunk({ reasoning_content: 'hm' }),
    chunk({ content: 'on' }),
    chunk({ content: 'e' }),
    ends('stop'),
    data({ id: 'c', choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 }, timings: { n: 1 } }),
    DONE,
  );
  expect(assembler.body()).toEqual({
    ...{ id: 'c', object: 'chat.completion', created: 1, model: 'm', timings: { n: 1 } },
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'one', reasoning_content: 'hm' },
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 2 },
  });
  expect([assembler.text(), assembler.thinking(), assembler.finishReason(), assembler.model()]).toEqual([
    ...['one', 'hm', 'stop', 'm'],
  ]);
  expect(assembler.usage()).toEqual({ prompt_tokens: 3, completion_tokens: 2 });
});

const CHATS: readonly [title: string, events: string[], message: object][] = [
  [
    'calls that come in pieces are put together by their index',
    [
      chunk(call(0, { id: 'a', type: 'function', function: { name: 'f', arguments: '' } })),
      chunk(call(1, { id: 'b', type: 'function', function: { name: 'g', arguments: '{' } })),
      chunk(call(0, { function: { arguments: '{"x":' } })),
      chunk(call(1, { function: { arguments: '}' } })),
      chunk(call(0, { function: { arguments: '1}' } })),
    ],
    {
      content: null,
      tool_calls: [
        { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
        { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
      ],
    },
  ],
  [
    'a gap between the indexes of calls is closed, and their order is that of the index',
    [
      chunk(call(5, { id: 'b', function: { name: 'g', arguments: '1' } })),
      chunk(call(2, { id: 'a', function: { name: 'f', arguments: '2' } })),
    ],
    {
      tool_calls: [
        { id: 'a', type: 'function', function: { name: 'f', arguments: '2' } },
        { id: 'b', type: 'function', function: { name: 'g', arguments: '1' } },
      ],
    },
  ],
  [
    'a name and an id that are said again are not said twice',
    [
      chunk(call(0, { id: 'a', function: { name: 'f', arguments: '1' } })),
      chunk(call(0, { id: 'a', function: { name: 'f', arguments: '2' } })),
      chunk(call(0, { id: '', function: { name: '', arguments: '3' } })),
    ],
    { tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '123' } }] },
  ],
  [
    'calls that all have the first place, but another id each, are several',
    [
      chunk(call(0, { id: 'a', function: { name: 'f', arguments: '1' } })),
      chunk(call(0, { id: 'b', function: { name: 'g', arguments: '2' } })),
    ],
    { tool_calls: [{ id: 'a' }, { id: 'b', function: { arguments: '2' } }] },
  ],
  [
    'calls without a place are kept as they come',
    [chunk({ tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{}' } }, 'junk'] })],
    { tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] },
  ],
  [
    'a refusal has no content',
    [chunk({ refusal: 'I ' }), chunk({ refusal: 'will not' })],
    {
      ...{ content: null, refusal: 'I will not' },
    },
  ],
  [
    'a function of the old form is one',
    [chunk({ function_call: { name: 'f', arguments: '{' } }), chunk({ function_call: { arguments: '}' } })],
    { content: null, function_call: { name: 'f', arguments: '{}' } },
  ],
  [
    'thinking under its other name is thinking',
    [chunk({ reasoning: 'h' }), chunk({ reasoning: 'm' })],
    {
      ...{ content: '', reasoning: 'hm' },
    },
  ],
  [
    'a character that was cut in half is whole again',
    [chunk({ content: '\ud83d' }), chunk({ content: '\ude00' })],
    {
      content: '😀',
    },
  ],
  ['half a character that stays alone is marked', [chunk({ content: 'a\ud83d' })], { content: 'a\ufffd' }],
  ['so is half of one in the name of a field', [chunk({ content: 'a', 'x\ud83d': 1 })], { 'x\ufffd': 1 }],
  [
    'what has no place among the choices is passed over',
    [
      chunk({ content: 'a' }),
      ...[-1, 128, 1e9, 1.5, '0', null].map((index) => chunk({ content: 'no' }, { index })),
    ],
    { content: 'a' },
  ],
  [
    'what has no place among the calls is passed over',
    [
      chunk({ content: 'a' }),
      ...[-1, 256, 2 ** 53, 0.5, '1', null].map((index) =>
        data({ choices: [{ delta: { tool_calls: [{ index, id: 'x', function: { name: 'f' } }] } }] }),
      ),
    ],
    { content: 'a' },
  ],
  [
    'events of the wrong shape are passed over',
    [
      ...[
        '',
        ':',
        ': ping',
        'data:',
        'data: null',
        'data: 5',
        'data: []',
        'data: "a"',
        'data: {}',
        'event: x',
      ],
      ...[data({ choices: 5 }), data({ choices: [null, 5, []] }), data({ choices: [{ delta: 'no' }] })],
      ...['data: {"choices":[{"del', '{"choices":', data({ error: { message: 'no' } }), 'retry: 5'],
      chunk({ content: 'a' }),
    ],
    { content: 'a' },
  ],
  [
    'a content that is none does not end the text',
    [chunk({ content: 'a' }), ...[chunk({ content: null }), chunk({ content: 'b' })]],
    { content: 'ab' },
  ],
];

test.each(CHATS)('%s', (_title, events, message) => {
  const assembler = chat(...events);
  expect(messageOf(assembler)).toMatchObject({ role: 'assistant', ...message });
  expect(choicesOf(assembler)).toHaveLength(1);
  // It is a JSON value.
  expect(JSON.parse(JSON.stringify(assembler.body()))).toEqual(assembler.body());
});

test('several answers are apart, in order, each with its end and its log probabilities', () => {
  const chance = (token: string) => ({ logprobs: { content: [{ token, logprob: -1 }], refusal: null } });
  const assembler = chat(
    chunk({ content: 'x' }, { index: 1, ...chance('x') }),
    chunk({ content: 'a' }, { ...chance('a') }),
    chunk({ content: 'y' }, { index: 1, ...chance('y') }),
    chunk({}, { index: 1, finish_reason: 'length' }),
  );
  expect(assembler.isComplete()).toBe(false);
  assembler.take(ends('stop'));
  expect(assembler.isComplete()).toBe(true);
  expect(choicesOf(assembler)).toMatchObject([
    { index: 0, message: { content: 'a' }, finish_reason: 'stop', logprobs: { content: [{ token: 'a' }] } },
    { index: 1, message: { content: 'xy' }, finish_reason: 'length', logprobs: { content: [{}, {}] } },
  ]);
  expect(assembler.text()).toBe('a');
});

test.each([
  ['no end at all', [chunk({ content: 'a' })], false],
  ['an end without [DONE]', [chunk({ content: 'a' }), ends('stop')], true],
  ['[DONE] without a reason', [chunk({ content: 'a' }), DONE], true],
  ['[DONE] in a text alone', [chunk({ content: 'data: [DONE]' })], false],
  ['an error in place of an end', [chunk({ content: 'a' }), data({ error: { message: 'gone' } })], false],
  ['nothing', [], false],
] as const)('with %s a chat is complete: %s', (_title, events, is) => {
  expect(chat(...events).isComplete()).toBe(is);
});

test('of two reasons for the end the last counts, and a reason of any length is a word', () => {
  expect(chat(ends('stop'), ends('length')).finishReason()).toBe('length');
  expect(chat(ends('x'.repeat(1000))).finishReason()).toHaveLength(64);
  expect(chat(ends('')).finishReason()).toBeUndefined();
});

test('no key reaches the prototype of anything', () => {
  const hostile = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
  const events = [
    `data: {"choices":[{"index":0,"delta":${hostile},"__proto__":{"polluted":1}}],"__proto__":{"polluted":1}}`,
    `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":${hostile}}]}}]}`,
  ];
  const body = chat(...events, ...events).body();
  fed('/v1/messages', [
    named('constructor', {}),
    named('content_block_delta', { index: 0, delta: { type: 'constructor' } }),
  ]);
  fed('/v1/responses', [named('constructor', {}), named('toString', { item_id: '__proto__', delta: 'x' })]);
  expect(({} as Body).polluted).toBeUndefined();
  expect(JSON.stringify(body)).not.toContain('__proto__');
  expect((body as { polluted?: unknown }).polluted).toBeUndefined();
});

test('a value that is deep or beyond all numbers does not end the process', () => {
  const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`;
  const body = chat(`data: {"x":${deep},"y":[1e999],"choices":[{"index":0,"delta":{"z":${deep}}}]}`).body();
  expect(body.y).toEqual([null]);
  expect(JSON.stringify(body).length).toBeLessThan(2000);
});

test('a megabyte of arguments in small pieces is one text, in time in proportion', () => {
  const piece = 'x'.repeat(10);
  const assembler = chat(chunk(call(0, { id: 'a', function: { name: 'f', arguments: '' } })));
  const event = chunk(call(0, { function: { arguments: piece } }));
  for (let at = 0; at < 100_000; at++) assembler.take(event);
  const [made] = messageOf(assembler).tool_calls as { function: { arguments: string } }[];
  expect(made?.function.arguments).toBe(piece.repeat(100_000));
});

test('however many places are named, an answer has a bounded number', () => {
  const assembler = chat(
    ...Array.from({ length: 2000 }, (_, index) => chunk({ content: 'a' }, { index })),
    ...Array.from({ length: 2000 }, (_, at) => chunk(call(0, { id: `${at}`, function: { name: 'f' } }))),
  );
  expect(choicesOf(assembler)).toHaveLength(128);
  expect((messageOf(assembler).tool_calls as unknown[]).length).toBeLessThanOrEqual(257);
  const message = fed(
    '/v1/messages',
    Array.from({ length: 3000 }, (_, index) => named('content_block_start', { index, content_block: {} })),
  );
  expect(message.body().content).toHaveLength(1024);
});

test('completions have texts, in the order of the index', () => {
  const choice = (index: number, text: string, more: object = {}) =>
    data({
      id: 'c',
      object: 'text_completion',
      model: 'm',
      choices: [{ index, text, logprobs: null, ...more }],
    });
  const old = (token: string) => ({ logprobs: { tokens: [token], token_logprobs: [-1], text_offset: [0] } });
  const assembler = fed('/v1/completions', [
    'data: null',
    choice(1, 'x'),
    choice(0, 'a', old('a')),
    choice(0, 'b', { ...old('b'), finish_reason: 'stop' }),
    choice(1, '', { finish_reason: 'length' }),
    DONE,
  ]);
  expect(assembler.body()).toEqual({
    ...{ id: 'c', object: 'text_completion', model: 'm' },
    choices: [
      {
        ...{ index: 0, text: 'ab', finish_reason: 'stop' },
        logprobs: { tokens: ['a', 'b'], token_logprobs: [-1, -1], text_offset: [0, 0] },
      },
      { index: 1, text: 'x', logprobs: null, finish_reason: 'length' },
    ],
  });
  expect(assembler.text()).toBe('ab');
});

const RESPONSE = { id: 'r', object: 'response', model: 'm', status: 'in_progress', output: [] };
const heard = (item_id: string, delta: string, kind = 'output_text', more: object = {}) =>
  named(`response.${kind}.delta`, { item_id, delta, ...more });

test('a response is its last event, whatever came before', () => {
  const whole = {
    ...{ ...RESPONSE, status: 'completed', usage: { input_tokens: 3, output_tokens: 2 } },
    output: [
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'one' }] },
      { type: 'function_call', name: 'f', arguments: '{}' },
    ],
  };
  const assembler = fed('/v1/responses', [
    named('response.created', { response: RESPONSE }),
    heard('x', 'something else'),
    named('response.completed', { response: whole }),
    heard('x', 'too late'),
    named('response.failed', { response: RESPONSE }),
  ]);
  expect(assembler.isComplete()).toBe(true);
  expect(assembler.body()).toEqual(whole);
  expect([assembler.text(), assembler.thinking(), assembler.finishReason()]).toEqual([
    'one',
    'hm',
    'tool_calls',
  ]);
  expect(assembler.usage()).toEqual({ prompt_tokens: 3, completion_tokens: 2 });
});

test.each([
  ['incomplete', { incomplete_details: { reason: 'max_output_tokens' } }, 'length'],
  ['incomplete', { incomplete_details: { reason: 'content_filter' } }, 'content_filter'],
  ['failed', { error: { message: 'gone' } }, 'failed'],
  ['completed', {}, 'stop'],
] as const)('a response that is %s with %o ended by %s', (status, more, reason) => {
  const response = { ...RESPONSE, status, ...more };
  const assembler = fed('/v1/responses', [named(`response.${status}`, { response })]);
  expect([assembler.isComplete(), assembler.finishReason()]).toEqual([true, reason]);
});

test('a response that breaks off is what was heard of it', () => {
  const assembler = fed('/v1/responses', [
    named('response.created', { response: RESPONSE }),
    heard('rs', 'hm', 'reasoning_summary_text', { output_index: 0, summary_index: 0 }),
    named('response.output_item.added', {
      ...{
        output_index: 1,
        item: { id: 'msg', type: 'message', role: 'assistant', status: 'in_progress', content: [] },
      },
    }),
    heard('msg', 'one ', 'output_text', { output_index: 1, content_index: 0 }),
    heard('msg', 'two', 'output_text', { output_index: 1, content_index: 0 }),
    heard('fc', '{"x"', 'function_call_arguments', { output_index: 2 }),
    ...[heard('msg', 'no', 'output_text', { output_index: -1 }), heard('msg', 'no', 'nonsense')],
    named('error', { message: 'gone' }),
  ]);
  expect(assembler.isComplete()).toBe(false);
  expect(assembler.body()).toMatchObject({
    ...{ id: 'r', status: 'incomplete' },
    output: [
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }] },
      { id: 'msg', type: 'message', content: [{ type: 'output_text', text: 'one two' }] },
      { type: 'function_call', arguments: '{"x"' },
    ],
  });
  expect(assembler.text()).toBe('one two');
});

test('items without a place are told apart by their ids, and a last event without output has what was heard', () => {
  const assembler = fed('/v1/responses', [
    named('response.output_item.added', {
      item: { id: 'a', type: 'message', content: [], status: 'in_progress' },
    }),
    heard('a', 'one'),
    named('response.output_item.done', {
      item: {
        id: 'a',
        type: 'message',
        status: 'completed',
        content: [{ type: 'output_text', text: 'ONE' }],
      },
    }),
    named('response.completed', { response: { ...RESPONSE, status: 'completed' } }),
  ]);
  expect(assembler.body().output).toEqual([
    { id: 'a', type: 'message', status: 'completed', content: [{ type: 'output_text', text: 'ONE' }] },
  ]);
});

const START = named('message_start', {
  message: {
    ...{ id: 'm', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null },
    usage: { input_tokens: 1, cache_read_input_tokens: 7, output_tokens: 0 },
  },
});
const block = (index: number, content_block: object) =>
  named('content_block_start', { index, content_block });
const delta = (index: unknown, said: object) => named('content_block_delta', { index, delta: said });

test('a message has its blocks by index, its input read, and its usage counted anew', () => {
  const assembler = fed('/v1/messages', [
    START,
    'event: ping\ndata: {"type": "ping"}',
    block(0, { type: 'thinking', thinking: '' }),
    delta(0, { type: 'thinking_delta', thinking: 'h' }),
    delta(0, { type: 'thinking_delta', thinking: 'm' }),
    delta(0, { type: 'signature_delta', signature: 'sig' }),
    block(2, { type: 'tool_use', id: 't', name: 'f' }),
    block(1, { type: 'text', text: '' }),
    delta(1, { type: 'text_delta', text: 'on' }),
    delta(2, { type: 'input_json_delta', partial_json: '{"x":' }),
    delta(1, { type: 'text_delta', text: 'e' }),
    delta(2, { type: 'input_json_delta', partial_json: '[1]}' }),
    delta(1, { type: 'citations_delta', citation: { cited_text: 'c' } }),
    block(3, { type: 'tool_use', id: 'u', name: 'g', input: {} }),
    named('message_delta', {
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: { input_tokens: 9, output_tokens: 5, cache_read_input_tokens: null },
    }),
    named('message_stop', {}),
  ]);
  expect(assembler.body()).toEqual({
    ...{ id: 'm', type: 'message', role: 'assistant', model: 'm' },
    content: [
      { type: 'thinking', thinking: 'hm', signature: 'sig' },
      { type: 'text', text: 'one', citations: [{ cited_text: 'c' }] },
      { type: 'tool_use', id: 't', name: 'f', input: { x: [1] } },
      { type: 'tool_use', id: 'u', name: 'g', input: {} },
    ],
    ...{ stop_reason: 'tool_use', stop_sequence: null },
    usage: { input_tokens: 9, cache_read_input_tokens: 7, output_tokens: 5 },
  });
  expect([assembler.text(), assembler.thinking(), assembler.finishReason()]).toEqual([
    'one',
    'hm',
    'tool_calls',
  ]);
});

test('a message that breaks off, or has blocks of the wrong kind or place, is what makes sense of it', () => {
  const assembler = fed('/v1/messages', [
    START,
    block(0, { type: 'tool_use', id: 't', name: 'f' }),
    delta(0, { type: 'input_json_delta', partial_json: '{"x":' }),
    delta(0, { type: 'text_delta', text: 'no' }),
    delta(1, { type: 'text_delta', text: 'a block that was not announced' }),
    ...[-1, 1024, 1e12, 0.5, null, '1'].map((index) => delta(index, { type: 'text_delta', text: 'no' })),
    block(1, { type: 'text', text: 'announced too late' }),
    named('error', { error: { type: 'overloaded_error', message: 'no' } }),
  ]);
  expect(assembler.isComplete()).toBe(false);
  expect(assembler.body().content).toEqual([
    { type: 'tool_use', id: 't', name: 'f', input: {} },
    { type: 'text', text: 'a block that was not announced' },
  ]);
});

test.each([
  ['end_turn', 'stop'],
  ['max_tokens', 'length'],
  ['refusal', 'refusal'],
  ['constructor', 'constructor'],
])('a message that stopped with %s ended by %s', (stop_reason, reason) => {
  const assembler = fed('/v1/messages', [START, named('message_delta', { delta: { stop_reason } })]);
  expect(assembler.finishReason()).toBe(reason);
});

const line = (value: object) => JSON.stringify({ model: 'm', created_at: 't', done: false, ...value });

test('lines of a chat become one message with all calls, and the counts of the last', () => {
  const assembler = fed('/api/chat', [
    line({ message: { role: 'assistant', content: '', thinking: 'hm' } }),
    line({ message: { role: 'assistant', content: 'on' }, logprobs: [{ token: 'on' }] }),
    line({ message: { role: 'assistant', content: 'e' }, logprobs: [{ token: 'e' }] }),
    line({ message: { content: '', tool_calls: [{ function: { name: 'f', arguments: { x: 1 } } }] } }),
    line({ message: { content: '', tool_calls: [{ function: { name: 'g', arguments: {} } }] } }),
    ...['{"message":', '5', 'null', line({ error: 'gone' }), line({ message: 5 })],
    line({ message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', eval_count: 5 }),
  ]);
  expect(assembler.body()).toEqual({
    ...{ model: 'm', created_at: 't', done: true, done_reason: 'stop', eval_count: 5 },
    message: {
      ...{ role: 'assistant', content: 'one', thinking: 'hm' },
      tool_calls: [
        { function: { name: 'f', arguments: { x: 1 } } },
        { function: { name: 'g', arguments: {} } },
      ],
    },
    logprobs: [{ token: 'on' }, { token: 'e' }],
  });
  expect(assembler.isComplete()).toBe(true);
  expect(assembler.usage()).toEqual({ completion_tokens: 5 });
});

test('lines of a generation become one text, with the context as it is said', () => {
  const assembler = fed('/api/generate', [
    line({ response: 'on', thinking: '' }),
    line({ response: 'e' }),
    line({ response: '', done: true, done_reason: 'length', context: [1, 2], prompt_eval_count: 4 }),
  ]);
  expect(assembler.body()).toEqual({
    ...{ model: 'm', created_at: 't', response: 'one', done: true, done_reason: 'length' },
    ...{ context: [1, 2], prompt_eval_count: 4 },
  });
  expect([assembler.text(), assembler.finishReason()]).toEqual(['one', 'length']);
});

test('an answer of lines that breaks off is not complete', () => {
  expect(fed('/api/chat', [line({ message: { content: 'a' } }), line({ error: 'gone' })]).isComplete()).toBe(
    false,
  );
  expect(fed('/api/generate', [line({ response: 'a' })]).isComplete()).toBe(false);
});

test.each([
  ['/v1/embeddings', { object: 'list', data: [{ embedding: [1] }], model: 'm', usage: { prompt_tokens: 2 } }],
  [
    '/v1/embeddings',
    { object: 'list', data: [{ embedding: 'AACAPw==' }], model: 'm', usage: { prompt_tokens: 2 } },
  ],
  ['/api/embed', { model: 'm', embeddings: [[1]], prompt_eval_count: 2 }],
] as const)('what %s gives is kept as it came', (path, body) => {
  const assembler = openAssembler(path);
  expect(assembler.isComplete()).toBe(false);
  assembler.read(body);
  expect(assembler.body()).toEqual(body);
  expect([assembler.isComplete(), assembler.text(), assembler.model()]).toEqual([true, null, 'm']);
  expect(assembler.usage()).toEqual({ prompt_tokens: 2 });
});

test('half a character in what gives embeddings, or in the word why an answer ended, is marked', () => {
  const assembler = openAssembler('/v1/embeddings');
  assembler.read({ data: [{ embedding: [1] }], model: 'm\ud83d' });
  expect(assembler.body()).toEqual({ data: [{ embedding: [1] }], model: 'm\ufffd' });
  expect(chat(chunk({ content: 'a' }), ends('stop\ud83d')).finishReason()).toBe('stop\ufffd');
});

test.each([
  ['/v1/chat/completions', {}],
  ['/v1/completions', { choices: 'no' }],
  ['/v1/messages', { content: 'no' }],
  ['/v1/responses', { output: {} }],
  ['/api/chat', { done: 'true' }],
  ['/api/embed', { embeddings: null }],
] as const)('a body of %s that is no answer is not complete', (path, body) => {
  const assembler = openAssembler(path);
  assembler.read(body);
  expect(assembler.isComplete()).toBe(false);
  expect([assembler.text() ?? '', assembler.thinking(), assembler.finishReason() ?? null]).toEqual([
    '',
    null,
    null,
  ]);
});

test('events with the line ends, fields and names that SSE allows are read', () => {
  const json = JSON.stringify({ choices: [{ delta: { content: 'a' } }] });
  const [first, second] = [json.slice(0, 11), json.slice(11)];
  const assembler = chat(
    `data:${json}`,
    `id: 5\r\ndata: ${json}\r\n: comment`,
    `event: x\ndata: ${first}\ndata: ${second}`,
    json,
  );
  expect(assembler.text()).toBe('aaaa');
});
