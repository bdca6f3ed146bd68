import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { readTurns } from '../../../src/agent/queue/read-turns.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { readAnswers } from '../../../src/log/read-answers.js';
import { verifyLog } from '../../../src/log/verify-log.js';
import type { Answer } from '../../../src/protocol/answer.js';
import { logRecordSchema } from '../../../src/protocol/log-record.js';
import { taskHash } from '../../../src/protocol/task.js';
import { runCliHere } from '../../support/cli-here.js';
import { anAnswer } from '../../support/message-writer.js';
import { ourLines, type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { runReader, whyNoReader } from '../../support/reference-reader.js';
import { waitUntil } from '../../support/wait-until.js';

const chat = (content: string) => ({
  path: '/v1/chat/completions',
  body: { model: 'llama3.2', messages: [{ role: 'user', content }] },
});
const embed = { path: '/v1/embeddings', body: { input: ['a', 'b'] } };
const CHATTED = { choices: [{ index: 0, message: { role: 'assistant', content: 'a\u2028llama' } }] };
const EMBEDDED = { data: [{ embedding: [0.25, -1e-9] }] };
const REFUSED = { code: 'backend_refused', message: 'bad "n"' };

/** What is asked, in this order, each a commit, and its answer. `a` is asked twice, byte for byte. */
const EXCHANGES: readonly { task: object; answer: Partial<Answer> }[] = [
  {
    task: { id: 'a', request: chat('What is on it?'), metadata: { chat: '7' } },
    answer: { answer: 'a\u2028llama', response: { status: 200, body: CHATTED }, dropped: ['store'] },
  },
  {
    task: { id: 'b', request: embed, stream: true, priority: 1 },
    answer: { answer: null, response: { status: 200, body: EMBEDDED } },
  },
  {
    task: { id: 'a', request: chat('What is on it?'), metadata: { chat: '7' } },
    answer: { answer: 'another llama', response: { status: 200, body: {} } },
  },
  {
    task: { id: 'c', request: chat('too many') },
    answer: { answer: null, error: REFUSED, response: { status: 400, body: { error: { message: 'n' } } } },
  },
  {
    task: { id: 'd', request: { path: '/v1/nothing', body: {} } },
    answer: { answer: null, model: null, backend: null, error: { code: 'request_refused', message: 'no' } },
  },
  { task: { prompt: '2+2' }, answer: {} },
];

let bridge: PlainBridge;
let repo: { gitDir: string; env: Record<string, string> };
let log: string;
let tasks: string[];

const bytesOf = (task: object) => Buffer.from(`${JSON.stringify(task)}\n`);
const cli = (...args: string[]) => runCliHere([...args, '--repo', bridge.repoPath], { env: bridge.env });
const records = async () =>
  (await bridge.readLog())
    .split('\n')
    .slice(0, -1)
    .map((line) => logRecordSchema.parse(JSON.parse(line)));

beforeAll(async () => {
  bridge = await startPlainBridge({ principals: { 'home-pc': 'agent', bot: 'asker' } });
  repo = { gitDir: bridge.repoPath, env: bridge.env };
  log = join(bridge.repoPath, 'bridge', 'answers.log');
  const hook = join(bridge.repoPath, 'bridge', 'on-answer.d', 'keep');
  await writeFile(hook, `#!/bin/sh\ncat >> '${bridge.dir}/kept'\n`);
  await chmod(hook, 0o755);
  tasks = [];
  for (const { task } of EXCHANGES) {
    const parent = tasks.at(-1) ?? (await bridge.tip());
    tasks.push(await bridge.writer.set(parent, 'task.json', bytesOf(task), { author: 'bot' }));
  }
  // One push, as of a client with many calls at once.
  let tip = await bridge.pushOk(tasks.at(-1) ?? '', 'bot');
  for (const [at, { task, answer }] of EXCHANGES.entries()) {
    const whole = anAnswer(tasks[at] ?? '', '', { task_hash: taskHash(bytesOf(task)), ...answer });
    tip = await bridge.writer.answer(tip, whole, { author: 'home-pc' });
  }
  await bridge.pushOk(tip, 'home-pc');
});

test('the log says of a response its status, and history alone its body', async () => {
  const logged = await records();
  expect(logged.map(({ answer, error, response }) => ({ answer, error: error?.code, response }))).toEqual([
    { answer: 'a\u2028llama', error: undefined, response: { status: 200 } },
    { answer: null, error: undefined, response: { status: 200 } },
    { answer: 'another llama', error: undefined, response: { status: 200 } },
    { answer: null, error: 'backend_refused', response: { status: 400 } },
    { answer: null, error: 'request_refused', response: undefined },
    { answer: '4', error: undefined, response: undefined },
  ]);
  expect(logged[0]).toMatchObject({ asker: 'bot', metadata: { chat: '7' }, dropped: ['store'] });
  expect(await bridge.readLog()).not.toContain('embedding');

  const shown = JSON.parse((await cli('answer', tasks[1] ?? '', '--json')).stdout);
  expect(shown).toMatchObject({ answer: null, error: null, response: { status: 200, body: EMBEDDED } });
});

test('who reads the log from history, as over ssh, gets the same records, without a body', async () => {
  const fromHistory = await readAnswers(repo, 'refs/heads/main', {});
  const fromLog = (await records()).map(({ seq: _seq, ingested_at: _at, ...record }) => record);
  expect(fromHistory).toEqual(fromLog);
});

test('log shows requests by who asked and which model answered, as anything else', async () => {
  const shown = async (...args: string[]) => (await cli('log', ...args, '--json')).stdout;
  expect(await shown('--asker', 'bot', '--model', 'llama3.2')).toBe(
    (await bridge.readLog())
      .split(/(?<=\n)/)
      .filter((line) => !line.includes('"model":null'))
      .join(''),
  );
  expect((await cli('log')).stdout).toContain('response 200');
});

test('an executable of on-answer.d gets the record', async () => {
  const kept = () => readFile(join(bridge.dir, 'kept'), 'utf8').catch(() => '');
  await waitUntil(async () => (await kept()).split('\n').length > EXCHANGES.length, 'all records were given');
  expect(await kept()).toBe(await bridge.readLog());
});

test('verify finds a status that was changed, and a rebuild writes the same log again', async () => {
  const whole = await bridge.readLog();
  await writeFile(log, whole.replace('"response":{"status":400}', '"response":{"status":401}'));
  const { difference } = await verifyLog(repo);
  expect(difference).toMatchObject({ kind: 'changed', seq: 4 });
  expect(difference?.what).toContain('"response"');
  expect((await cli('ingest', '--rebuild')).exitCode).toBe(0);
  expect(await bridge.readLog()).toBe(whole);
  expect(await cli('verify')).toMatchObject({ exitCode: 0, stderr: '' });
});

const reason = whyNoReader();
test.skipIf(reason !== null)(
  'the second reader, in Python, sees the same log and the same queue',
  async () => {
    const read = (command: string) => runReader([command, bridge.repoPath], bridge.env);
    expect((await read('verify')).stdout).toBe('6 lines of the log, 6 answers in history: they agree\n');
    const { stdout } = await read('queue');
    expect(JSON.parse(stdout)).toMatchObject({ pending: [], expired: [], answered: 6 });
  },
);

test('nobody can reply to a request: the asker says so, and an agent answers that the conversation is missing', async () => {
  const [first = ''] = tasks;
  const asked = await cli('ask', 'and then?', '--reply-to', first, '--no-wait');
  expect(asked).toMatchObject({ exitCode: 1, stdout: '' });
  expect(asked.stderr).toContain(`${first.slice(0, 8)} is a request, which has no conversation to reply to`);

  const reply = await bridge.writer.set(
    await bridge.tip(),
    'task.json',
    bytesOf({ prompt: 'and then?', reply_to: first }),
    { author: 'bot' },
  );
  await bridge.pushOk(reply, 'bot');
  const reader = openObjectReader(repo);
  const scope = {
    ...{ clone: repo, reader, maxTaskBytes: 1e6, deepen: async () => false },
    signal: AbortSignal.timeout(60_000),
  };
  const turns = await readTurns(scope, reply, first);
  reader.close();
  expect(turns).toEqual({
    ok: false,
    reason: `task ${first.slice(0, 8)} is a request, which has no conversation to continue`,
  });
});

test.each([
  ['a refusal without its error', { response: { status: 400, body: {} } }, /needs exactly one of "answer"/],
  ['a response of an equal task', { response: { status: 200, body: {} }, cached: true }, /of an equal task/],
])('pre-receive refuses %s', async (_name, changes, words) => {
  const tip = await bridge.tip();
  const asked = await bridge.writer.set(tip, 'task.json', bytesOf({ id: 'x', request: embed }));
  const answer = anAnswer(asked, '', {
    task_hash: taskHash(bytesOf({ id: 'x', request: embed })),
    ...changes,
  });
  const commit = await bridge.writer.answer(asked, answer, { author: 'home-pc' });
  const { exitCode, stderr } = await bridge.push([`${commit}:refs/heads/main`]);
  expect(exitCode).toBe(1);
  expect(ourLines(stderr).join('\n')).toMatch(words);
});
