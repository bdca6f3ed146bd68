import { PassThrough } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { answerStubs, type HookWork } from '../../../src/server-hook/answer-stubs.js';

const QUARANTINE = ['/b.git/objects/incoming', '/b.git/objects/incoming', '/b.git/objects'];
const UPDATE = `${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main`;

/**
 * Runs it on what the stubs say; answers what it said and was asked. `ends`: the stubs hang up afterwards.
 */
async function asked(said: string | Buffer, work: Partial<HookWork> = {}, ends = true) {
  const input = new PassThrough();
  const output: string[] = [];
  const judge = vi.fn<HookWork['judge']>(async () => null);
  const takeIn = vi.fn<HookWork['takeIn']>(async () => '');
  const done = answerStubs(input, (line) => output.push(line), { judge, takeIn, ...work });
  input.write(said);
  if (ends) input.end();
  await done;
  return { text: output.map((line) => `${line}\n`).join(''), judge, takeIn };
}

const question = (lines: readonly string[], quarantine: readonly string[] = QUARANTINE) =>
  `${['pre-receive', ...quarantine, ...lines.map((line) => `+${line}`), '.'].join('\n')}\n`;

test('a push is judged in its quarantine, by what git wrote, and let in', async () => {
  const { text, judge, takeIn } = await asked(question([UPDATE]));
  expect(text).toBe('yes\n');
  expect(judge).toHaveBeenCalledExactlyOnceWith(
    {
      GIT_QUARANTINE_PATH: QUARANTINE[0],
      GIT_OBJECT_DIRECTORY: QUARANTINE[1],
      GIT_ALTERNATE_OBJECT_DIRECTORIES: QUARANTINE[2],
    },
    `${UPDATE}\n`,
    [],
  );
  expect(takeIn).not.toHaveBeenCalled();
});

test('a push that brings no objects has no quarantine', async () => {
  const { text, judge } = await asked(question([UPDATE], ['', '', '']));
  expect(text).toBe('yes\n');
  expect(judge).toHaveBeenCalledExactlyOnceWith({}, `${UPDATE}\n`, []);
});

test('between the two stand the settings, as far as there are any', async () => {
  const settings = ['bridge.version 2', 'extensions.objectformat sha256', ''];
  const { judge } = await asked(question([UPDATE], [...QUARANTINE, ...settings]));
  expect(judge.mock.calls[0]?.slice(1)).toEqual([`${UPDATE}\n`, settings]);
});

test('what was let in is taken in when post-receive asks, and that is the last of it, whoever still holds the pipe', async () => {
  const takeIn = async () => 'llm-bridge: answer logged as no. 1';
  const { text } = await asked(`${question([UPDATE])}post-receive\n`, { takeIn }, false);
  expect(text).toBe('yes\ntaken llm-bridge: answer logged as no. 1\n');
});

test('a refusal is said in its line, and nothing is taken in after it', async () => {
  const judge = async () => 'llm-bridge refused [ref]: no';
  const { text, takeIn } = await asked(`${question([UPDATE])}post-receive\n`, { judge });
  expect(text).toBe('no llm-bridge refused [ref]: no\n');
  expect(takeIn).not.toHaveBeenCalled();
});

test('what a ref may hold ends neither a line nor the question', async () => {
  const evil = ['.', '+', 'post-receive', `${UPDATE}\r.\r`, `${UPDATE}\u2028.`, ''];
  const { text, judge } = await asked(question([UPDATE, ...evil]));
  expect(text).toBe('yes\n');
  expect(judge.mock.calls[0]?.[1]).toBe([UPDATE, ...evil].map((line) => `${line}\n`).join(''));
});

test('a question may come in pieces, cut in the middle of a character', async () => {
  const input = new PassThrough();
  const judge = vi.fn<HookWork['judge']>(async () => null);
  const done = answerStubs(input, () => {}, { judge, takeIn: async () => '' });
  for (const byte of Buffer.from(question([`${UPDATE}-я`]))) input.write(Buffer.of(byte));
  input.end();
  await done;
  expect(judge.mock.calls[0]?.[1]).toBe(`${UPDATE}-я\n`);
});

test.each([
  ['nothing', ''],
  ['another word', 'pre-receiv\n'],
  ['post-receive without a judgement', 'post-receive\n'],
  ['half a quarantine', question([UPDATE], ['/b.git/objects/incoming', '', ''])],
  ['a setting of two lines', question([UPDATE], [...QUARANTINE, 'bridge.answerslog a', 'b'])],
  ['no ref that moves', question([])],
  ['a line without its sign', question([UPDATE]).replace('+', '')],
  ['a question without an end', question([UPDATE]).slice(0, -2)],
  ['half a line', 'pre-receive'],
])('%s is no question and gets no answer', async (_what, said) => {
  const { text, judge, takeIn } = await asked(said);
  expect(text).toBe('');
  expect(judge).not.toHaveBeenCalled();
  expect(takeIn).not.toHaveBeenCalled();
});

test('more than any push has is not listened to', async () => {
  await expect(asked(question([`${UPDATE}${'x'.repeat(300_000)}`]))).rejects.toThrow('more than any push');
});
