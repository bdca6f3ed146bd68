import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { composeAnswer, outcomeOfEarlier } from '../../../src/agent/compose-answer.js';
import { fitConversation } from '../../../src/agent/queue/fit-conversation.js';
import { isRotatedName } from '../../../src/log/log-files.js';
import { answerSchema, readAnswer } from '../../../src/protocol/answer.js';
import { readCancel } from '../../../src/protocol/cancel.js';
import { isLeaseAllowed, isLeaseOver, readClaim } from '../../../src/protocol/claim.js';
import { messageOf } from '../../../src/protocol/history.js';
import { isDateAllowed } from '../../../src/protocol/limits.js';
import { formatLogLine, NO_TASK, type RecordTask, recordTask } from '../../../src/protocol/log-record.js';
import { readModels } from '../../../src/protocol/models.js';
import { readPlainCommit } from '../../../src/protocol/plain-commit.js';
import { isPresent, readPresence } from '../../../src/protocol/presence.js';
import { inOrderOfAnswering, readQueue } from '../../../src/protocol/queue.js';
import type { ReadResult } from '../../../src/protocol/strict-json.js';
import {
  conversationOf,
  priorityOf,
  readTask,
  sourceOf,
  taskJsonSchema,
} from '../../../src/protocol/task.js';
import { commitsOf, historyVectorsSchema, objectsOf } from '../../support/history-vectors.js';
import { casesOf, readVectors, titled } from '../../support/read-vectors.js';

// The vectors of rules that join several messages, and of limits. vectors.test.ts has those of single
// messages, test/integration/git/history-vectors.test.ts reads raw
// history with git.

const text = z.string();
const named = { name: text };
const taskFile = z.enum(['task.txt', 'task.json']);

const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: text });
const conversations = await readVectors(
  'conversations',
  casesOf(
    z.object({
      ...{ ...named, task: taskJsonSchema, is_longer: z.boolean(), longest: z.int().optional() },
      turns: z.array(z.object({ task: taskJsonSchema, answer: text })),
      ...{ messages: z.array(message), context: z.object({ messages: z.int(), cut: z.int() }) },
    }),
  ),
);
test.each(titled(conversations.cases))('a conversation: %s', (_name, one) => {
  const earlier = { turns: one.turns, isLonger: one.is_longer };
  const continued = fitConversation(one.task, earlier, one.longest ?? null);
  expect(conversationOf(continued.task)).toEqual(one.messages);
  expect(continued.context).toEqual(one.context);
});

const cachedAnswers = await readVectors(
  'cached-answers',
  casesOf(
    z.object({
      ...{ ...named, earlier: answerSchema, answer: answerSchema },
      own: z.object({
        ...{ task_hash: text, task_commit: text, created_at: text, latency_ms: z.int(), agent: text },
        task_text: text.optional(),
      }),
    }),
  ),
);
test.each(titled(cachedAnswers.cases))('a cached answer: %s', (_name, { earlier, own, answer }) => {
  const frame = {
    ...{ taskId: own.task_commit, hash: own.task_hash, agent: own.agent, latencyMs: own.latency_ms },
    task: own.task_text === undefined ? null : { prompt: own.task_text },
    ...{ nowMs: Date.parse(own.created_at), maxAnswerBytes: 8388608 },
  };
  expect(composeAnswer(frame, outcomeOfEarlier(earlier), true)).toEqual(answer);
});

const priorities = await readVectors(
  'priorities',
  casesOf(
    z.object({
      ...{ ...named, order: z.array(text), now_ms: z.int() },
      pending: z.array(
        z.object({ id: text, bridge: text.optional(), asker: text, at_ms: z.int(), file: taskFile, text }),
      ),
    }),
  ),
);
test.each(titled(priorities.cases))('the order of answering: %s', (_name, { pending, now_ms, order }) => {
  const waitingOf = ({ bridge = '', asker, at_ms, file, text: content }: (typeof pending)[number]) => {
    const task = readTask(file, Buffer.from(content));
    const [priority, source] = [
      task.ok ? priorityOf(task.value) : 0,
      sourceOf(asker, task.ok ? task.value : null),
    ];
    return { priority, source: `${bridge}\n${source}`, askedAtMs: at_ms };
  };
  const sorted = inOrderOfAnswering(pending, waitingOf, now_ms);
  expect(sorted.map(({ id }) => id)).toEqual(order);
});

const bounds = await readVectors(
  'bounds',
  casesOf(
    z.object({
      ...{ ...named, time_ms: z.int(), now_ms: z.int(), ok: z.boolean() },
      of: z.enum(['claim_allowed', 'claim_over', 'present', 'commit_date']),
    }),
  ),
);
test.each(titled(bounds.cases))('the time of a %s', (_name, { of, time_ms, now_ms, ok }) => {
  const at = new Date(time_ms).toISOString();
  const presence = { seen_at: at, state: 'running' } as const;
  const judged = {
    claim_allowed: () => isLeaseAllowed({ until: at }, now_ms),
    claim_over: () => isLeaseOver({ until: at }, now_ms),
    present: () => isPresent(presence, now_ms) && !isPresent({ ...presence, state: 'stopped' }, now_ms),
    commit_date: () => isDateAllowed(time_ms, now_ms),
  };
  expect(judged[of]()).toBe(ok);
});

const logFiles = await readVectors('log-files', casesOf(z.object({ ...named, ok: z.boolean() })));
test.each(titled(logFiles.cases))('a rotated file: %s', (name, { ok }) => {
  expect(isRotatedName(name, 'answers.log')).toBe(ok);
});

const histories = await readVectors('history', historyVectorsSchema);
test.each(titled(histories.cases))('a history, read without git: %s', (_name, one) => {
  const objects = objectsOf(one);
  const commits = commitsOf(one);
  const queue = readQueue(commits, { nowMs: one.now_ms, ttlMs: one.ttl_ms });
  expect(queue.pending.map(({ id }) => id)).toEqual(one.pending);
  expect(queue.expired.map(({ id }) => id)).toEqual(one.expired);
  expect([...queue.cancelled.keys()]).toEqual(one.cancelled);
  expect(queue.answeredCount).toBe(one.answered);
  const lines: string[] = [];
  const tasks = new Map<string, RecordTask>();
  for (const message of commits.map(messageOf)) {
    if (message.kind === 'task') {
      const file = message.file === 'task.json' ? (objects.get(message.change.newId) ?? null) : null;
      tasks.set(message.commit.id, recordTask(message.commit, file));
    }
    if (message.kind !== 'answer') continue;
    const read = readAnswer(objects.get(message.change.newId) ?? Buffer.alloc(0));
    if (!read.ok) continue;
    const task = tasks.get(read.value.task_commit) ?? NO_TASK;
    const position = { seq: lines.length + 1, commit: message.commit.id, ingestedAtMs: 0 };
    const line = formatLogLine(read.value, task, position);
    lines.push(line.slice(0, line.lastIndexOf(',"ingested_at":')));
  }
  expect(lines).toEqual(one.log);
});

const KINDS: Readonly<Record<string, (bytes: Buffer) => ReadResult<unknown>>> = {
  'task.txt': (bytes) => readTask('task.txt', bytes),
  'task.json': (bytes) => readTask('task.json', bytes),
  'inbox.json': (bytes) => readAnswer(bytes),
  'cancel.json': readCancel,
  claim: readClaim,
  presence: readPresence,
  models: readModels,
  commit: readPlainCommit,
};
const limits = await readVectors(
  'limits',
  casesOf(
    z.object({
      ...{ ...named, kind: z.enum(Object.keys(KINDS)), before: text, fill: text, times: z.int() },
      ...{ after: text, ok: z.boolean() },
    }),
  ),
);
test.each(titled(limits.cases))('a limit, in %s', (_name, { kind, before, fill, times, after, ok }) => {
  expect(KINDS[kind]?.(Buffer.from(before + fill.repeat(times) + after)).ok).toBe(ok);
});

const index = await readVectors(
  'index',
  z.object({
    lists: z.array(
      z.object({ file: text, list: text, rule: text, given: z.array(text), wanted: z.array(text) }),
    ),
  }),
);
describe('index.json', () => {
  test.each([...new Set(index.lists.map(({ file }) => file))])(
    'names every list of %s.json',
    async (file) => {
      const vectors = await readVectors(file, z.looseObject({ about: text }));
      const listed = index.lists.filter((one) => one.file === file).map(({ list }) => list);
      expect(['about', ...new Set(listed)].sort()).toEqual(Object.keys(vectors).sort());
    },
  );
});
