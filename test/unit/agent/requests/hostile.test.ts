import { describe, expect, test } from 'vitest';
import { REFUSED_FIELDS } from '../../../../src/agent/requests/refused-fields.js';
import { MAX_JSON_DEPTH } from '../../../../src/protocol/limits.js';
import { REQUEST_PATHS } from '../../../../src/protocol/request.js';
import {
  BURNS,
  FETCHED,
  GONE,
  nested,
  OTHER_PATHS,
  part,
  RUN,
  tool,
} from '../../../support/hostile/hostile-calls.js';
import { judged, passed, refusedField } from './judge-fixture.js';

const CHAT = '/v1/chat/completions';
const NATIVE = '/api/chat';

// SECURITY.md: P35

// What a hostile bridge may ask of an agent, and what becomes of it: a refusal that names the field, or a
// call from which it is gone. test/e2e/hostile/pc-calls.test.ts has a real agent answer them all.

describe.each([
  ['what would be fetched or read', FETCHED],
  ['what would be run, loaded or kept', RUN],
  ['what would burn time or memory', BURNS],
])('%s is refused by the name of its field', (_title, cases) => {
  test.each(cases)('%s (%s)', (_what, path, body, field) => {
    const call = judged(path, body);
    const { refused } = call as Extract<typeof call, { refused: unknown }>;
    expect(refused?.field).toBe(field);
    expect(refused.message.startsWith(`${field} `)).toBe(true);
    expect(refused.message).toMatch(/^[\x20-\x7e…]{10,400}$/);
  });
});

test.each(GONE)('%s is gone from the call (%s)', (_what, path, body) => {
  const call = passed(path, body);
  const texts = JSON.stringify(call.body);
  expect(call.dropped).not.toEqual([]);
  for (const name of call.dropped) expect(texts).not.toContain(`"${name.split('.').at(-1)}"`);
  expect(texts).not.toContain('http');
  expect(({} as Record<string, unknown>).n).toBeUndefined();
});

test('what goes on would pass again as it is: nothing in it is judged in another way the second time', () => {
  for (const [, path, body] of GONE) {
    const call = passed(path, body);
    expect(passed(path, call.body)).toEqual({ ...call, dropped: [] });
  }
});

test('a field that is refused by name is refused in every call and at every depth that has fields', () => {
  for (const path of REQUEST_PATHS) {
    for (const name of Object.keys(REFUSED_FIELDS)) expect(refusedField(path, { [name]: 'a' })).toBe(name);
  }
  for (const name of Object.keys(REFUSED_FIELDS)) {
    expect(refusedField(NATIVE, { options: { [name]: 'a' } })).toBe(`options.${name}`);
    expect(refusedField(CHAT, part({ type: 'text', text: 'a', [name]: 'a' }))).toBe(
      `messages.0.content.1.${name}`,
    );
  }
});

test('the same words in what only a model reads are texts like others', () => {
  const body = {
    messages: [
      {
        role: 'assistant',
        content: 'previous_response_id http://a/ {{template}}',
        tool_calls: [{ function: { name: 'a', arguments: { lora: 1, url: 'http://a/', template: 'b' } } }],
      },
    ],
    tools: [
      { type: 'function', function: { name: 'a', parameters: { properties: { grammar: {}, $ref: {} } } } },
    ],
  };
  expect(passed(NATIVE, body)).toMatchObject({ body, dropped: [] });
});

test.each(OTHER_PATHS)('the path %j is none that an agent passes on', (path) => {
  expect(refusedField(path, {})).toBe('path');
});

test('a call nests no deeper than a message may, and 64 levels of it end in a refusal or are gone', () => {
  for (const levels of [MAX_JSON_DEPTH, 100_000]) {
    for (const path of REQUEST_PATHS) expect(passed(path, { unknown: nested(levels) }).body).toEqual({});
    expect(refusedField(NATIVE, { format: nested(levels) })).toBe('format');
    expect(refusedField(CHAT, { messages: nested(levels) as never })).toBe('messages');
    const call = judged(NATIVE, { passed: nested(levels) }, ['passed']);
    expect(call).toHaveProperty('refused');
  }
});

test('a field of --pass-field passes no address and nothing that is refused by name', () => {
  for (const value of [
    'http://a/',
    ['file:///a'],
    { a: { b: ' HTTPS://a' } },
    { lora: 1 },
    { a: [{ chat_template: 'b' }] },
  ]) {
    expect(judged(CHAT, { mine: value }, ['mine'])).toHaveProperty('refused');
  }
  expect(passed(CHAT, { mine: { a: 'not an address: b' } }, ['mine']).dropped).toEqual([]);
});

test('schemas of real tools pass: bounds that are too high are left out, and all else is as it was', () => {
  const parameters = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    additionalProperties: false,
    required: ['body'],
    properties: {
      body: { type: 'string', maxLength: 65_536, minLength: 1, pattern: '^[a-z0-9]+(?:-[a-z0-9]+)*$' },
      day: { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}(T[0-9:.]+Z?)?$' },
      tree: { $ref: '#/$defs/tree' },
      pattern: { type: 'string', enum: ['a', 'b'] },
    },
    $defs: { tree: { properties: { children: { type: 'array', items: { $ref: '#/$defs/tree' } } } } },
  };
  const { maxLength: _left, ...body } = parameters.properties.body;
  const call = passed(CHAT, tool({ type: 'function', function: { name: 'a', parameters } }));
  expect(call.dropped).toEqual(['tools.function.parameters.maxLength']);
  expect(call.body).toEqual(
    tool({
      type: 'function',
      function: { name: 'a', parameters: { ...parameters, properties: { ...parameters.properties, body } } },
    }),
  );
});
