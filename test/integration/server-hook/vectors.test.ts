import { beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { readHistory } from '../../../src/git/read-history.js';
import { answerSchema } from '../../../src/protocol/answer.js';
import { cancelSchema } from '../../../src/protocol/cancel.js';
import { answerMessage, cancelMessage } from '../../../src/protocol/commit-message.js';
import { judgePush } from '../../../src/server-hook/judge-push.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { cleanEnv } from '../../support/clean-env.js';
import { type MessageWriter, messageWriter } from '../../support/message-writer.js';
import {
  answerVectorsSchema,
  bytesOf,
  cancelVectorsSchema,
  messageVectorsSchema,
  readVectors,
  taskVectorsSchema,
} from '../../support/read-vectors.js';
import { rowsToTry } from '../../support/rows-to-try.js';

// The part of docs/vectors that git and the whole of pre-receive have a say in;
// test/unit/protocol/vectors.test.ts has the rest, and reads every one of these by src/protocol.

const MAIN = 'refs/heads/main';
const tasks = await readVectors('tasks', taskVectorsSchema);
const answers = await readVectors('answers', answerVectorsSchema);
const cancels = await readVectors('cancels', cancelVectorsSchema);
const messages = await readVectors('commit-messages', messageVectorsSchema);

let bridge: BareBridge;
let write: MessageWriter;
let tip: string;

beforeAll(async () => {
  bridge = await bareBridge();
  write = messageWriter(bridge.gitDir, cleanEnv(bridge.dir));
  tip = await bridge.git(['rev-parse', MAIN]);
});

/** The limits that stand in the bridge's config. */
const standing = new Map<string, number>();

/** What pre-receive says of a push of `commit` on the tip of main: the code of its refusal, or null. */
async function judge(commit: string, limits: Readonly<Record<string, number | undefined>> = {}) {
  for (const [key, given] of Object.entries({ maxTaskBytes: 8388608, maxAnswerBytes: 8388608, ...limits })) {
    const value = given ?? 8388608;
    if (standing.get(key) === value) continue;
    await bridge.git(['config', `bridge.${key}`, String(value)]);
    standing.set(key, value);
  }
  const stdin = `${tip} ${commit} ${MAIN}\n`;
  const denial = await judgePush({ repo: bridge, stdin, env: {}, nowMs: Date.now() });
  return denial?.code ?? null;
}

const titled = <T extends { readonly name: string }>(cases: readonly T[]) =>
  cases.map((one) => [one.name, one] as const);

/** In the short form every eighth of these, and one for each code of those that are refused. */
const good = <T extends { readonly name: string }>(cases: readonly T[]) =>
  titled(rowsToTry(cases, (_one, at) => Math.floor(at / 8)));
const bad = <T extends { readonly name: string; readonly code: string }>(cases: readonly T[]) =>
  titled(rowsToTry(cases, ({ code }) => code));

describe('a push of a task', () => {
  test.each(good(tasks.valid))('is let in, or wrong only in what it replies to: %s', async (_name, one) => {
    const isReply = 'reply_to' in z.record(z.string(), z.unknown()).parse(one.task);
    const expected = isReply ? 'unknown-task' : null;
    expect(await judge(await write.set(tip, one.file, bytesOf(one)))).toBe(expected);
  });
  test.each(bad(tasks.invalid))('is refused by its code: %s', async (_name, one) => {
    const commit = await write.set(tip, one.file, bytesOf(one));
    expect(await judge(commit, { maxTaskBytes: one.maxTaskBytes })).toBe(one.code);
  });
});

describe('a push of an answer', () => {
  test.each(good(answers.valid))('is wrong only in the task it cites: %s', async (_name, one) => {
    const message = answerMessage(answerSchema.parse(one.answer));
    expect(await judge(await write.set(tip, 'inbox.json', bytesOf(one), { message }))).toBe('unknown-task');
  });
  test.each(bad(answers.invalid))('is refused by its code: %s', async (_name, one) => {
    const commit = await write.set(tip, 'inbox.json', bytesOf(one));
    expect(await judge(commit, { maxAnswerBytes: one.maxAnswerBytes })).toBe(one.code);
  });
});

describe('a push of a cancel', () => {
  test.each(good(cancels.valid))('is wrong only in the task it cites: %s', async (_name, one) => {
    const message = cancelMessage(cancelSchema.parse(one.cancel));
    expect(await judge(await write.set(tip, 'cancel.json', bytesOf(one), { message }))).toBe('unknown-task');
  });
  test.each(bad(cancels.invalid))('is refused by its code: %s', async (_name, one) => {
    expect(await judge(await write.set(tip, 'cancel.json', bytesOf(one)))).toBe(one.code);
  });
});

test.each(titled(messages.read))('git reads the trailers of a message: %s', async (_name, one) => {
  const commit = await write.commit({ parents: [tip], tree: await write.treeOf(tip), message: one.message });
  const [read] = await readHistory(bridge, { from: [commit], maxCount: 1 });
  expect({
    Task: read?.taskTrailer,
    'Task-Hash': read?.taskHashTrailer,
    Status: read?.statusTrailer,
  }).toEqual(one.trailers);
});
