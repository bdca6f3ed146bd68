import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { base64, iso } from 'zod';
import { findRegexes } from '../../support/regex/find-regexes.js';
import { superlinearCause } from '../../support/regex/regex-cost.js';

// Nearly every text that we search comes from the other side: a model server, a git server, a push. A
// pattern whose time grows faster than the text stops the agent, or a push, for hours; its deadlines too.

const src = fileURLToPath(new URL('../../../src/', import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => /\.[jt]s$/.test(name));

test('no regular expression of ours takes more than linear time, whatever it reads', {
  timeout: 60_000,
}, () => {
  const found = files.flatMap((name) => findRegexes(join(src, name)));
  expect(found.length).toBeGreaterThan(100);
  const faults = found.flatMap(({ file, source, flags }) => {
    const cause = superlinearCause(source, flags);
    return cause === null ? [] : [`${relative(src, file)}: /${source}/${flags}: ${cause}`];
  });
  expect(faults).toEqual([]);
});

test.each([
  ['base64', base64()],
  ['iso.datetime', iso.datetime({ precision: 3 })],
])('nor does the one that zod has for %s', (_name, schema) => {
  const { pattern } = schema._zod.def as { pattern?: RegExp };
  const { source, flags } = pattern ?? schema._zod.bag.patterns?.values().next().value ?? /none/;
  expect(source).not.toBe('none');
  expect(superlinearCause(source, flags)).toBeNull();
});

describe('the check', () => {
  test.each([
    [/=+$/, 'a run that is looked for at every place of itself'],
    [/\s*\n\s*/g, 'white space without a line break'],
    [/exceed\w* .{0,60}context/i, 'exceedexceedexceed'],
    [/model.*not found/, 'modelmodelmodel'],
    [/"(?:[^"\\]|\\.)*"/g, '"\\"\\"\\"'],
    [/^(\w+)\s?(\w+)$/, 'one word cut in two, everywhere'],
    [/^(?:a+)+$/, 'exponential'],
    [/^(?:a|a)*$/, 'exponential'],
    [/^(?:a|aa)+$/, 'exponential'],
    [/^(?:a{0,9})*$/, 'exponential, with a count'],
    [/x(?:.*y)?/g, 'every match looks to the end of the text'],
    [/x(?:.*y)?/y, 'so does every match of a loop with a sticky one'],
    [/^a.*b.*c$/m, 'abababab'],
    [/a.{0,2000}b/, 'linear, with a factor of 2000'],
    [/^[ab]{0,60}[ab]{0,60}x/, 'linear, with a factor of 3600'],
  ])('finds %s (%s)', (pattern) => {
    expect(superlinearCause(pattern.source, pattern.flags)).not.toBeNull();
  });

  test.each([
    [/\s+/g, 'a match takes the whole run'],
    [/^=+$/, 'one place only'],
    [/^(\S+) (.*)$/gm, 'each line from its beginning'],
    [/^tree ([0-9a-f]{40,64})\n/, 'a count at one place'],
    [/context .{0,60}exceeded/i, 'a count that is small'],
    [/[+-]?\d+/, 'a sign that may be missing'],
    [/(?:^|\n)<\/think>[ \t]*(?:\r?\n|$)/, 'a beginning that the rest does not have'],
    [/\((?!atomic )/, 'a look ahead'],
  ])('lets %s pass (%s)', (pattern) => {
    expect(superlinearCause(pattern.source, pattern.flags)).toBeNull();
  });

  test('refuses what it does not know: back references and the like', () => {
    for (const pattern of [/(a)\1/, /(?<=a)b/, /(?<name>a)/]) {
      expect(() => superlinearCause(pattern.source, pattern.flags)).toThrow('does not know');
    }
  });
});
