import { expect, test } from 'vitest';
import { type FormatCheck, openFormat } from '../../../../src/agent/format/check-format.js';
import type { TaskFormat } from '../../../../src/protocol/task.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { rowsToTry } from '../../../support/rows-to-try.js';

// SECURITY.md: P31

const MIB = 1024 * 1024;
const never = new AbortController().signal;
const invalidSchema = expect.objectContaining({ code: 'invalid_schema' });

/** The check for a format, closed after the test. */
async function checkFor(format: TaskFormat): Promise<(answer: string) => Promise<FormatCheck>> {
  const checker = await openFormat(format, MIB, never);
  onCleanup(() => checker.close());
  return checker.check;
}

test('"json" takes any JSON and nothing else', async () => {
  const check = await checkFor('json');
  expect(await check(' [1] ')).toEqual({ ok: true, json: '[1]' });
  expect(await check('```json\n{"a":1}\n```')).toEqual({ ok: true, json: '{"a":1}' });
  expect(await check('one')).toEqual({ ok: false, complaint: expect.stringMatching(/^it is not JSON: /) });
});

test('a schema takes what fits it and names the place of what does not', async () => {
  const check = await checkFor({
    type: 'object',
    properties: { n: { type: 'integer' } },
    required: ['n'],
  });
  expect(await check('{"n":1}')).toEqual({ ok: true, json: '{"n":1}' });
  expect(await check('{"n":"1"}')).toEqual({ ok: false, complaint: '/n must be integer' });
  expect(await check('{}')).toEqual({
    ok: false,
    complaint: "the answer must have required property 'n'",
  });
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
])('a schema of %s is carried out', async (_draft, schema) => {
  const check = await checkFor(schema);
  expect((await check('["a"]')).ok).toBe(true);
  expect((await check('[1]')).ok).toBe(false);
  expect((await check('["a","b"]')).ok).toBe(false);
});

test('formats are checked, and unknown ones and keywords are let be', async () => {
  const check = await checkFor({
    type: 'object',
    'x-note': 1,
    properties: { day: { format: 'date' }, text: { format: 'poem' } },
  });
  expect((await check('{"day":"2026-11-22","text":"tomorrow"}')).ok).toBe(true);
  expect((await check('{"day":"tomorrow"}')).ok).toBe(false);
});

test.each([
  ['a type that is none', { type: 'strng' }],
  ['a pattern that is none', { pattern: '(' }],
  ['an unknown draft', { $schema: 'http://json-schema.org/draft-04/schema#' }],
  ['a remote reference, which is never fetched', { $ref: 'http://127.0.0.1:9/schema.json' }],
  ['an asynchronous schema', { $async: true, type: 'object' }],
  ['a schema of a size no program has', { description: 'x'.repeat(200_000) }],
])('%s is invalid_schema', async (_what, schema) => {
  await expect(checkFor(schema)).rejects.toThrow(invalidSchema);
});

test('a schema that refers to itself for ever is invalid_schema, not a crash', async () => {
  const check = await checkFor({ $ref: '#' });
  await expect(check('{}')).rejects.toThrow(invalidSchema);
});

/** Small to write, and never done: each level asks the next one twice. */
function doubling(word: 'anyOf' | 'allOf', last: Record<string, unknown>): Record<string, unknown> {
  const levels = Array.from({ length: 40 }, (_, level) => {
    const below = { $ref: `#/$defs/${level + 1}` };
    return [level, { [word]: [below, below] }];
  });
  return { $ref: '#/$defs/0', $defs: { ...Object.fromEntries(levels), 40: last } };
}

// Each takes all of the two seconds. Either kind of levels is stopped at the same place.
const ENDLESS: readonly [string, Record<string, unknown>, string][] = [
  ['40 levels of anyOf', doubling('anyOf', { type: 'null' }), '"no"'],
  ['40 levels of allOf', doubling('allOf', { type: 'string' }), '"yes"'],
  ['a catastrophic pattern', { type: 'string', pattern: '^(a+)+$' }, `"${'a'.repeat(60)}b"`],
];
test.each(rowsToTry(ENDLESS, ([what]) => String(what.startsWith('40 levels'))))(
  '%s: stopped, with little memory, and nothing else waits',
  { timeout: 60_000 },
  async (_what, schema, json) => {
    const check = await checkFor(schema);
    const before = process.resourceUsage().maxRSS;
    let turns = 0;
    const clock = setInterval(() => {
      turns += 1;
    }, 10);
    onCleanup(() => clearInterval(clock));
    await expect(check(json)).rejects.toThrow(
      expect.objectContaining({
        code: 'invalid_schema',
        message: expect.stringMatching(/more than (2000 ms|128 MB of memory) to check/),
      }),
    );
    expect(turns).toBeGreaterThan(10);
    // Kilobytes. Without a limit it was 700 MB and more.
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(300 * 1024);
    await expect(check('{}')).rejects.toThrow(invalidSchema);
  },
);

test('the longest answer there can be has room, whatever it is', async () => {
  const check = await checkFor({ type: 'array' });
  expect((await check(`[${'{},'.repeat(MIB / 3 - 2)}{}]`)).ok).toBe(true);
});

/** How many threads this process has besides its own. */
function threads(): number {
  return (process.report.getReport() as { readonly workers: readonly unknown[] }).workers.length;
}

test('an abort ends a check at once, and a thread that is closed holds nothing', async () => {
  const before = threads();
  const controller = new AbortController();
  const checker = await openFormat(doubling('anyOf', { type: 'null' }), MIB, controller.signal);
  expect(threads()).toBe(before + 1);
  const checked = checker.check('"no"');
  const reason = new Error('stop');
  controller.abort(reason);
  await expect(checked).rejects.toBe(reason);
  await checker.close();
  await expect(openFormat({ type: 'object' }, MIB, controller.signal)).rejects.toBe(reason);
  expect(threads()).toBe(before);
});

test('a property every object inherits does not count as there', async () => {
  const check = await checkFor({ type: 'object', required: ['constructor'] });
  expect((await check('{}')).ok).toBe(false);
});

test('two schemas of one $id have nothing to do with each other', async () => {
  const [first, second] = await Promise.all([
    checkFor({ $id: 'urn:bridge:x', type: 'string' }),
    checkFor({ $id: 'urn:bridge:x', type: 'number' }),
  ]);
  expect((await first('"1"')).ok).toBe(true);
  expect((await second('1')).ok).toBe(true);
});

test('a complaint is one bounded line', async () => {
  const name = `a\n${'b'.repeat(2000)}`;
  const check = await checkFor({ type: 'object', properties: { [name]: { type: 'string' } } });
  const checked = await check(JSON.stringify({ [name]: 1 }));
  expect(checked.ok ? '' : checked.complaint).toMatch(/^[^\n]{500}$/);
});
