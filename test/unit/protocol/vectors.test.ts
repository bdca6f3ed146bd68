import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { formatCommit, replaceTreeFile } from '../../../src/git/git-objects.js';
import { answerSchema, isReusable, readAnswer, writeAnswer } from '../../../src/protocol/answer.js';
import { readCancel, writeCancel } from '../../../src/protocol/cancel.js';
import { claimSchema, readClaim, writeClaim } from '../../../src/protocol/claim.js';
import { answerMessage, askMessage, cancelMessage, statusOf } from '../../../src/protocol/commit-message.js';
import { parseDurationMs } from '../../../src/protocol/duration.js';
import { estimateTokens } from '../../../src/protocol/estimate-tokens.js';
import { helloSchema } from '../../../src/protocol/hello.js';
import type { HistoryCommit } from '../../../src/protocol/history.js';
import { formatLogLine, logRecordSchema } from '../../../src/protocol/log-record.js';
import {
  agentModelsSchema,
  agentOfModelsRef,
  modelsRef,
  readModels,
  writeModels,
} from '../../../src/protocol/models.js';
import { principalNameSchema } from '../../../src/protocol/names.js';
import { readPlainCommit } from '../../../src/protocol/plain-commit.js';
import {
  agentOfPresenceRef,
  presenceRef,
  presenceSchema,
  readPresence,
  writePresence,
} from '../../../src/protocol/presence.js';
import { readQueue } from '../../../src/protocol/queue.js';
import { formatRefusal, parseRefusal, REFUSAL_CODES } from '../../../src/protocol/refusal.js';
import { modelOf, questionOf, readTask, taskHash, taskJsonSchema } from '../../../src/protocol/task.js';
import { readTrailers } from '../../../src/protocol/trailers.js';
import {
  answerVectorsSchema,
  bytesOf,
  bytesSchema,
  cancelVectorsSchema,
  casesOf,
  messageVectorsSchema,
  nameVectorsSchema,
  readVectors,
  taskVectorsSchema,
  titled,
  trailerVectorsSchema,
} from '../../support/read-vectors.js';

// These files are part of docs/protocol.md: whoever writes another implementation tests it by them. So they
// are changed only together with the protocol, and nothing but them says here what is expected.

const named = { name: z.string() };
const tasks = await readVectors('tasks', taskVectorsSchema);
const answers = await readVectors('answers', answerVectorsSchema);
const cancels = await readVectors('cancels', cancelVectorsSchema);
const messages = await readVectors('commit-messages', messageVectorsSchema);
const mixedTrailers = await readVectors('trailers', trailerVectorsSchema);
const hashes = await readVectors(
  'task-hashes',
  casesOf(z.object({ ...named, task_hash: z.string() }).and(bytesSchema)),
);
const objects = await readVectors(
  'commit-objects',
  casesOf(z.object({ ...named, ok: z.boolean() }).and(bytesSchema)),
);
const text = z.string();
const commits = await readVectors(
  'commits',
  casesOf(
    z.object({
      ...named,
      ...{ object_format: z.enum(['sha1', 'sha256']), parent: text, parent_tree_hex: text },
      ...{ file: text, text, blob: text, tree_hex: text, tree: text },
      ...{ by: text, at_ms: z.int(), message: text, commit_text: text, commit: text },
    }),
  ),
);
const lines = await readVectors(
  'log-lines',
  casesOf(
    z.object({
      ...{ ...named, answer: answerSchema, seq: z.int(), commit: text, ingested_at: text, line: text },
      task: logRecordSchema.pick({ asker: true, asked_at: true, metadata: true }).strict(),
    }),
  ),
);
const durations = await readVectors('durations', casesOf(z.object({ text, ms: z.number().nullable() })));
const estimates = await readVectors(
  'token-estimates',
  casesOf(z.object({ ...named, text, tokens: z.int() })),
);
const names = await readVectors('names', nameVectorsSchema);
const hellos = await readVectors('hello', casesOf(z.object({ ...named, line: text, ok: z.boolean() })));
const refusals = await readVectors(
  'refusals',
  z.object({
    written: z
      .array(
        z.object({
          ...{ code: z.enum(REFUSAL_CODES), text, remedy: text, line: text },
          ...{ who: text.optional(), ref: text.optional(), holder: text.optional() },
        }),
      )
      .min(1),
    read: z.array(z.object({ ...named, stderr: text, refusal: z.unknown() })).min(1),
  }),
);
const queues = await readVectors(
  'queue',
  casesOf(
    z.object({
      ...named,
      ...{ now_ms: z.int(), ttl_ms: z.int() },
      commits: z.array(
        z.object({
          ...{ id: text, parents: z.int(), at_ms: z.int(), files: z.array(text) },
          trailers: z
            .object({ Task: text, 'Task-Hash': text.default(''), Status: text.default('') })
            .optional(),
        }),
      ),
      ...{ pending: z.array(text), expired: z.array(text), answered: z.int() },
      good_answers: z.record(text, text),
      cancelled: z.array(text).default([]),
    }),
  ),
);

const blobs = { cases: z.array(z.object({ ...named, text, ok: z.boolean() })).min(1) };
const claims = await readVectors(
  'claims',
  z.object({ ...blobs, written: z.array(z.object({ ...named, claim: claimSchema, text })).min(1) }),
);
const presences = await readVectors(
  'presences',
  z.object({
    ...blobs,
    refs: z.array(z.object({ name: text, ref: text })).min(1),
    written: z.array(z.object({ ...named, presence: presenceSchema, text })).min(1),
  }),
);

const models = await readVectors(
  'models',
  z.object({
    ...blobs,
    refs: z.array(z.object({ name: text, ref: text })).min(1),
    written: z.array(z.object({ ...named, models: agentModelsSchema, text })).min(1),
  }),
);

test('every file of vectors is used, here, in the other vector tests', async () => {
  const files = await readdir(new URL('../../../docs/vectors/', import.meta.url));
  const used = [
    ...['answers', 'cancels', 'claims', 'commit-messages', 'commit-objects', 'commits', 'durations', 'hello'],
    ...[
      'log-lines',
      'models',
      'names',
      'presences',
      'queue',
      'refusals',
      'task-hashes',
      'tasks',
      'token-estimates',
    ],
    ...['bounds', 'cached-answers', 'conversations', 'history', 'index', 'limits', 'log-files', 'priorities'],
    ...['streams', 'trailers'],
  ];
  expect(files.sort()).toEqual(used.sort().map((name) => `${name}.json`));
});

describe('the hash of a task', () => {
  test.each(titled(hashes.cases))('%s', (_name, one) => {
    expect(taskHash(bytesOf(one))).toBe(one.task_hash);
  });
});

describe('a task file', () => {
  test.each(tasks.valid.map((one) => [one.file, one.name, one] as const))(
    '%s, %s, is read',
    (file, _name, one) => {
      expect(readTask(file, bytesOf(one))).toEqual({ ok: true, value: one.task });
    },
  );
  // Which code the refused push gets: test/integration/server-hook/vectors.test.ts.
  test.each(tasks.invalid.map((one) => [one.file, one.name, one] as const))(
    '%s, %s, is none',
    (file, _name, one) => {
      expect(readTask(file, bytesOf(one), one.maxTaskBytes)).toMatchObject({ ok: false });
    },
  );
});

test.each(titled(tasks.questions))('the question of a task: %s', (_name, { task, question }) => {
  expect(questionOf(taskJsonSchema.parse(task))).toBe(question);
});

test.each(titled(tasks.models))('the model that a task names: %s', (_name, { task, model }) => {
  expect(modelOf(taskJsonSchema.parse(task)) ?? null).toBe(model);
});

describe('an inbox.json', () => {
  test.each(titled(answers.valid))('%s is read', (_name, one) => {
    const read = readAnswer(bytesOf(one));
    expect(read).toEqual({ ok: true, value: one.answer });
    expect(read.ok && statusOf(read.value)).toBe(one.status);
    expect(read.ok && isReusable(read.value)).toBe(one.reusable);
  });
  test.each(titled(answers.invalid))('%s is none', (_name, one) => {
    expect(readAnswer(bytesOf(one), one.maxAnswerBytes)).toMatchObject({ ok: false });
  });
  test.each(titled(answers.written))('is written, %s', (_name, one) => {
    expect(writeAnswer(answerSchema.parse(one.answer)).toString('utf8')).toBe(one.bytes);
  });
});

describe('a cancel.json', () => {
  test.each(titled(cancels.valid))('%s is read', (_name, one) => {
    expect(readCancel(bytesOf(one))).toEqual({ ok: true, value: one.cancel });
  });
  test.each(titled(cancels.invalid))('%s is none', (_name, one) => {
    expect(readCancel(bytesOf(one))).toMatchObject({ ok: false });
  });
  test.each(titled(cancels.written))('is written, %s', (_name, one) => {
    expect(writeCancel(one.cancel).toString('utf8')).toBe(one.bytes);
    expect(cancelMessage(one.cancel)).toBe(one.message);
  });
});

describe('a commit message', () => {
  test.each(titled(messages.ask))('of a task: %s', (_name, { task_hash, question, message }) => {
    expect(askMessage({ hash: task_hash, question })).toBe(message);
  });
  test.each(titled(messages.answer))('of an answer: %s', (_name, { answer, message }) => {
    expect(answerMessage(answerSchema.parse(answer))).toBe(message);
  });
  test.each(titled([...messages.read, ...mixedTrailers.cases]))('is read: %s', (_name, one) => {
    const found = readTrailers(one.message);
    for (const [key, value] of Object.entries(one.trailers))
      expect(found.get(key.toLowerCase()) ?? '').toBe(value);
  });
});

describe('a commit', () => {
  test.each(commits.cases.map((one) => [one.object_format, one.name, one] as const))(
    '%s: %s',
    (format, _name, one) => {
      const idOf = (type: string, bytes: Buffer) =>
        createHash(format).update(`${type} ${bytes.length}\0`).update(bytes).digest('hex');
      const blob = idOf('blob', Buffer.from(one.text));
      expect(blob).toBe(one.blob);
      const tree = replaceTreeFile(Buffer.from(one.parent_tree_hex, 'hex'), one.file, blob);
      expect(tree.toString('hex')).toBe(one.tree_hex);
      expect(idOf('tree', tree)).toBe(one.tree);
      const commit = formatCommit({
        tree: one.tree,
        parent: one.parent,
        by: { name: one.by, atMs: one.at_ms },
        message: one.message,
      });
      expect(commit.toString('utf8')).toBe(one.commit_text);
      expect(idOf('commit', commit)).toBe(one.commit);
      const who = {
        name: one.by,
        email: `${one.by}@llm-bridge.invalid`,
        atMs: one.at_ms - (one.at_ms % 1000),
      };
      const { tree: treeId, parent, message } = one;
      const value = { tree: treeId, parent, author: who, committer: who, message };
      expect(readPlainCommit(commit)).toEqual({ ok: true, value });
    },
  );

  test.each(titled(objects.cases))('as the server takes it or not: %s', (_name, one) => {
    expect(readPlainCommit(bytesOf(one)).ok).toBe(one.ok);
  });
});

describe('a line of answers.log', () => {
  test.each(titled(lines.cases))('%s', (_name, { answer, task, seq, commit, ingested_at, line }) => {
    expect(formatLogLine(answer, task, { seq, commit, ingestedAtMs: Date.parse(ingested_at) })).toBe(line);
  });
});

describe('the queue', () => {
  test.each(titled(queues.cases))('%s', (_name, one) => {
    const history = one.commits.map((commit): HistoryCommit => {
      const { Task = '', 'Task-Hash': hash = '', Status = '' } = commit.trailers ?? {};
      return {
        id: commit.id,
        parents: Array.from({ length: commit.parents }, (_, at) => String(at)),
        committedAtMs: commit.at_ms,
        author: 'bot',
        subject: '',
        taskTrailer: Task,
        taskHashTrailer: hash,
        statusTrailer: Status,
        changes: commit.files.map((file) => ({
          path: file.replace(/^-/, ''),
          oldMode: '100644',
          newMode: file.startsWith('-') ? '000000' : '100644',
          oldId: '',
          // Stands for the blob, so that the expected commit can be found by it.
          newId: commit.id,
        })),
      };
    });
    const queue = readQueue(history, { nowMs: one.now_ms, ttlMs: one.ttl_ms });
    expect(queue.pending.map((task) => task.id)).toEqual(one.pending);
    expect(queue.expired.map((task) => task.id)).toEqual(one.expired);
    expect(Object.fromEntries(queue.goodAnswers)).toEqual(one.good_answers);
    expect(queue.answeredCount).toBe(one.answered);
    expect([...queue.cancelled.keys()]).toEqual(one.cancelled);
  });
});

describe('a claim', () => {
  test.each(titled(claims.cases))('is one or not: %s', (_name, one) => {
    expect(readClaim(Buffer.from(one.text)).ok).toBe(one.ok);
  });
  test.each(titled(claims.written))('is written: %s', (_name, one) => {
    expect(writeClaim(one.claim).toString('utf8')).toBe(one.text);
  });
});

describe('a presence', () => {
  test.each(titled(presences.cases))('is one or not: %s', (_name, one) => {
    expect(readPresence(Buffer.from(one.text)).ok).toBe(one.ok);
  });
  test.each(titled(presences.written))('is written: %s', (_name, one) => {
    expect(writePresence(one.presence).toString('utf8')).toBe(one.text);
  });
  test.each(presences.refs)('of $name has the ref $ref', ({ name, ref }) => {
    expect(presenceRef(name)).toBe(ref);
    expect(agentOfPresenceRef(ref)).toBe(name);
    expect(agentOfPresenceRef(ref.replace('agents', 'claims'))).toBe(null);
  });
});

describe('what an agent says of its models', () => {
  test.each(titled(models.cases))('is that or not: %s', (_name, one) => {
    expect(readModels(Buffer.from(one.text)).ok).toBe(one.ok);
  });
  test.each(titled(models.written))('is written: %s', (_name, one) => {
    expect(writeModels(one.models).toString('utf8')).toBe(one.text);
  });
  test.each(models.refs)('of $name has the ref $ref', ({ name, ref }) => {
    expect(modelsRef(name)).toBe(ref);
    expect(agentOfModelsRef(ref)).toBe(name);
    expect(agentOfModelsRef(ref.replace('models', 'agents'))).toBe(null);
  });
});

test.each(durations.cases)('the duration $text', ({ text, ms }) => {
  expect(parseDurationMs(text)).toBe(ms);
});

test.each(titled(estimates.cases))('the estimate of %s', (_name, one) => {
  expect(estimateTokens(one.text)).toBe(one.tokens);
});

test.each(names.cases)('the name $name', ({ name, ok }) => {
  expect(principalNameSchema.safeParse(name).success).toBe(ok);
});

test.each(titled(hellos.cases))('a hello: %s', (_name, { line, ok }) => {
  const isJson = z.string().transform((json, context) => {
    try {
      return JSON.parse(json) as unknown;
    } catch {
      context.addIssue('no JSON');
      return z.NEVER;
    }
  });
  expect(isJson.pipe(helloSchema).safeParse(line).success).toBe(ok);
});

describe('a refusal', () => {
  test.each(refusals.written)('of code $code is written', ({ line, ...refusal }) => {
    expect(formatRefusal(refusal)).toBe(line);
  });
  test.each(titled(refusals.read))('is found: %s', (_name, { stderr, refusal }) => {
    expect(parseRefusal(stderr)).toEqual(refusal);
  });
});
