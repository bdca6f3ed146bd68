import { appendFile, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { deliver } from '../../../src/log/on-answer/deliver.js';
import type { DeliveryContext, Recipient } from '../../../src/log/on-answer/recipient.js';
import { askAgain, onAnswerStateFolder, reportOnAnswer } from '../../../src/log/on-answer/state.js';
import { formatLogLine, NO_TASK } from '../../../src/protocol/log-record.js';
import { cleanEnv } from '../../support/clean-env.js';
import { tempDir } from '../../support/temp-dir.js';
import { someAnswer } from '../../unit/protocol/answer-fixture.js';

const START_MS = Date.parse('2026-11-22T17:00:00.000Z');

let dir: string;
let gitDir: string;
let nowMs: number;

/**
 * A bridge with one executable, `hook`, that fails for the numbers in `never` with 65 and for those in `bad`
 * with 22, and notes all that it takes.
 */
beforeEach(async () => {
  dir = await tempDir();
  gitDir = join(dir, 'bridge.git');
  nowMs = START_MS;
  await mkdir(join(gitDir, 'bridge', 'on-answer.d'), { recursive: true });
  for (const name of ['never', 'bad', 'taken']) await writeFile(join(dir, name), '');
  const hook = join(gitDir, 'bridge', 'on-answer.d', 'hook');
  await writeFile(
    hook,
    `#!/bin/sh
read -r line; seq=\${line#*'"seq":'}; seq=\${seq%%,*}
echo "$seq" >> '${dir}/tries'
grep -qx "$seq" '${dir}/never' && { echo "400 Bad Request"; exit 65; }
grep -qx "$seq" '${dir}/bad' && exit 22
echo "$seq" >> '${dir}/taken'
`,
  );
  await chmod(hook, 0o755);
});

async function log(count: number, from = 1): Promise<void> {
  for (let seq = from; seq < from + count; seq++) {
    const line = formatLogLine(someAnswer(), NO_TASK, {
      ...{ seq, commit: 'e'.repeat(40), ingestedAtMs: START_MS + seq },
    });
    await appendFile(join(gitDir, 'bridge', 'answers.log'), line);
  }
}

/** One turn of a dispatcher, with what an earlier one left on the disk. */
async function turn(): Promise<boolean> {
  const context: DeliveryContext = {
    gitDir,
    answersLog: join(gitDir, 'bridge', 'answers.log'),
    timeoutMs: 30_000,
    retryMs: 5_000,
    env: cleanEnv(dir),
    now: () => nowMs,
    isRunnable: async () => true,
  };
  const file = join(gitDir, 'bridge', 'on-answer.d', 'hook');
  const entry: Recipient['entry'] = { status: 'runnable', name: 'hook', file, sinceMs: START_MS };
  const recipient: Recipient = { entry, state: null, isUnsaved: false, notBeforeMs: 0 };
  const got = await deliver(context, recipient);
  nowMs = Math.max(nowMs, recipient.notBeforeMs) + 1;
  return got;
}

const lines = async (name: string) =>
  (await readFile(join(dir, name), 'utf8')).split('\n').filter(Boolean).map(Number);
const fail = (name: 'never' | 'bad', ...numbers: number[]) =>
  writeFile(join(dir, name), numbers.map((seq) => `${seq}\n`).join(''));
const report = async () => (await reportOnAnswer(gitDir))[0];

test('a record that the executable says it will never take is set aside at once, and the next go on', async () => {
  await fail('never', 1, 3);
  await log(4);
  expect(await turn()).toBe(true);
  expect(await lines('taken')).toEqual([2, 4]);
  expect(await lines('tries')).toEqual([1, 2, 3, 4]);
  expect(await report()).toMatchObject({
    state: 'ok',
    last_seq: 4,
    set_aside: [
      { seq: 1, reason: 'exit code 65: 400 Bad Request' },
      { seq: 3, reason: 'exit code 65: 400 Bad Request' },
    ],
  });
});

test('a record that keeps failing is set aside after eight tries, with the bad one behind it, once a later one is taken', async () => {
  await fail('bad', 1, 2);
  await log(4);
  for (let tries = 1; tries < 8; tries++) expect(await turn()).toBe(false);
  expect(await lines('tries')).toEqual([1, 1, 1, 1, 1, 1, 1]);
  expect(await report()).toMatchObject({ state: 'failing', failures: 7, last_seq: 0, set_aside: [] });
  const waitedMs = nowMs - START_MS;
  expect(waitedMs).toBeGreaterThan(10 * 60_000);
  expect(waitedMs).toBeLessThan(12 * 60_000);

  expect(await turn()).toBe(true);
  await turn();
  expect(await lines('taken')).toEqual([3, 4]);
  expect(await report()).toMatchObject({
    state: 'ok',
    last_seq: 4,
    set_aside: [
      { seq: 1, reason: 'exit code 22' },
      { seq: 2, reason: 'exit code 22' },
    ],
  });
});

test('while nothing is taken, as without a network, nothing is set aside, however long; then all goes on in order', async () => {
  await fail('bad', 1, 2, 3, 4, 5);
  await log(5);
  for (let tries = 0; tries < 30; tries++) expect(await turn()).toBe(false);
  expect(await report()).toMatchObject({ state: 'failing', failures: 30, last_seq: 0, set_aside: [] });
  await fail('bad');
  await turn();
  expect(await lines('taken')).toEqual([1, 2, 3, 4, 5]);
  expect(await report()).toMatchObject({ state: 'ok', set_aside: [] });
});

test('the last record keeps being tried: nothing waits behind it', async () => {
  await fail('bad', 1);
  await log(1);
  for (let tries = 0; tries < 12; tries++) await turn();
  expect(await report()).toMatchObject({ failures: 12, set_aside: [] });
  await log(1, 2);
  await turn();
  expect(await lines('taken')).toEqual([2]);
  expect(await report()).toMatchObject({ state: 'ok', last_seq: 2, set_aside: [{ seq: 1 }] });
});

test('what is set aside is given once more where somebody asks for it, and stays aside where it fails again', async () => {
  await fail('never', 1, 2);
  await log(3);
  await turn();
  await fail('never', 2);
  await askAgain(gitDir, 'hook');
  expect(await turn()).toBe(true);
  expect(await lines('taken')).toEqual([3, 1]);
  expect(await report()).toMatchObject({ last_seq: 3, set_aside: [{ seq: 2 }] });
  // Once: the next turn does not give it again.
  const before = (await lines('tries')).length;
  await turn();
  expect(await lines('tries')).toHaveLength(before);

  await expect(askAgain(gitDir, 'hok')).rejects.toMatchObject({
    code: 'usage',
    remedy: 'the names are: hook',
  });
});

test('a state of an older version is read, and one that is set aside survives a failure of the next', async () => {
  await mkdir(onAnswerStateFolder(gitDir), { recursive: true });
  await writeFile(
    join(onAnswerStateFolder(gitDir), 'hook.json'),
    '{"last_seq":1,"failures":0,"last_error":null,"next_try":null}\n',
  );
  await fail('never', 2);
  await fail('bad', 3);
  await log(3);
  await turn();
  expect(await report()).toMatchObject({ state: 'failing', last_seq: 2, set_aside: [{ seq: 2 }] });
});
