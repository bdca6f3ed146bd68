import { expect, test } from 'vitest';
import { compileFormat } from '../../../../src/agent/generate/json-format.js';

const invalidSchema = expect.objectContaining({ code: 'invalid_schema' });

test('"json" takes any JSON and nothing else', () => {
  const check = compileFormat('json');
  expect(check(' [1] ')).toEqual({ ok: true, json: '[1]' });
  expect(check('```json\n{"a":1}\n```')).toEqual({ ok: true, json: '{"a":1}' });
  expect(check('one')).toEqual({ ok: false, complaint: expect.stringMatching(/^it is not JSON: /) });
});

test('a schema takes what fits it and names the place of what does not', () => {
  const check = compileFormat({ type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] });
  expect(check('{"n":1}')).toEqual({ ok: true, json: '{"n":1}' });
  expect(check('{"n":"1"}')).toEqual({ ok: false, complaint: '/n must be integer' });
  expect(check('{}')).toEqual({ ok: false, complaint: "the answer must have required property 'n'" });
});

test.each([
  [
    'draft 2020-12',
    {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      prefixItems: [{ type: 'string' }],
      items: false,
    },
  ],
  [
    'draft-07',
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      items: [{ type: 'string' }],
      additionalItems: false,
    },
  ],
  ['no draft, 2020-12 by its words', { prefixItems: [{ type: 'string' }], items: false }],
  ['no draft, draft-07 by its words', { items: [{ type: 'string' }], additionalItems: false }],
])('a schema of %s is carried out', (_draft, schema) => {
  const check = compileFormat(schema);
  expect(check('["a"]').ok).toBe(true);
  expect(check('[1]').ok).toBe(false);
  expect(check('["a","b"]').ok).toBe(false);
});

test('formats are checked, and unknown ones and keywords are let be', () => {
  const check = compileFormat({ type: 'string', format: 'date', 'x-note': 1 });
  expect(check('"2026-11-22"').ok).toBe(true);
  expect(check('"tomorrow"').ok).toBe(false);
  expect(compileFormat({ type: 'string', format: 'poem' })('"tomorrow"').ok).toBe(true);
});

test.each([
  ['a type that is none', { type: 'strng' }],
  ['a pattern that is none', { pattern: '(' }],
  ['an unknown draft', { $schema: 'http://json-schema.org/draft-04/schema#' }],
  ['a remote reference, which is never fetched', { $ref: 'http://127.0.0.1:9/schema.json' }],
  ['an asynchronous schema', { $async: true, type: 'object' }],
  ['a schema of a size no program has', { description: 'x'.repeat(200_000) }],
])('%s is invalid_schema', (_what, schema) => {
  expect(() => compileFormat(schema)).toThrow(invalidSchema);
});

test('a schema that refers to itself for ever is invalid_schema, not a crash', () => {
  expect(() => compileFormat({ $ref: '#' })('{}')).toThrow(invalidSchema);
});

test('a catastrophic pattern is stopped', { timeout: 15_000 }, () => {
  const check = compileFormat({ type: 'string', pattern: '^(a+)+$' });
  expect(check('"aaa"').ok).toBe(true);
  expect(() => check(JSON.stringify(`${'a'.repeat(60)}b`))).toThrow(
    expect.objectContaining({
      code: 'invalid_schema',
      message: expect.stringContaining('more than 2000 ms'),
    }),
  );
});

test('a property every object inherits does not count as there', () => {
  expect(compileFormat({ type: 'object', required: ['constructor'] })('{}').ok).toBe(false);
});

test('two schemas of one $id have nothing to do with each other', () => {
  compileFormat({ $id: 'urn:bridge:x', type: 'string' });
  expect(compileFormat({ $id: 'urn:bridge:x', type: 'number' })('1').ok).toBe(true);
});

test('a complaint is one bounded line', () => {
  const check = compileFormat({
    type: 'object',
    properties: { [`a\n${'b'.repeat(2000)}`]: { type: 'string' } },
  });
  const checked = check(JSON.stringify({ [`a\n${'b'.repeat(2000)}`]: 1 }));
  expect(checked.ok ? '' : checked.complaint).toMatch(/^[^\n]{500}$/);
});
