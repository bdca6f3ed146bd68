import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { writeAnswer } from '../../src/protocol/answer.js';
import { answerMessage, askMessage } from '../../src/protocol/commit-message.js';
import { taskHash } from '../../src/protocol/task.js';
import { treeOf, usageOf } from '../bench/process-usage.js';
import { commitAllOnMain, type MainFile } from '../support/commit-on-main.js';
import { anAnswer } from '../support/message-writer.js';
import { type PlainBridge, startPlainBridge } from '../support/plain-bridge.js';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const TASKS = 3_000;
const BODY_BYTES = 100_000;
/** Every so many-th is as large as a task may be. */
const LARGE_EVERY = 300;
const LARGE_BYTES = 8_380_000;

/**
 * All processes of a command together: node has 100 MB before it reads anything, and the largest message
 * stands in memory a few times (what git sends, the text, what the text says). All bodies are 383 MB.
 */
const MAX_MEGABYTES = 330;

test('what reads all of history holds one message at a time, however large all of them are', {
  timeout: 900_000,
}, async () => {
  const bridge = await startPlainBridge();
  await writeHistory(bridge);
  const run = (...args: string[]) => peakOf(bridge, [...args, '--repo', bridge.repoPath]);
  const figures = {
    ingest: await run('ingest'),
    verify: await run('verify'),
    rebuild: await run('ingest', '--rebuild'),
    doctor: await run('doctor'),
    log: await run('log', '-n', '5', '--json'),
    list: await run('list'),
    status: await run('status'),
  };
  for (const [name, { megabytes, exitCode }] of Object.entries(figures)) {
    expect([name, exitCode]).toEqual([name, 0]);
    expect(megabytes, name).toBeLessThan(MAX_MEGABYTES);
  }
  expect((await bridge.readLog()).trim().split('\n')).toHaveLength(TASKS);
});

/** Requests, and their answers: each a hundred tasks, then a hundred answers. */
async function writeHistory(bridge: PlainBridge): Promise<void> {
  const to = { repoPath: bridge.repoPath, ownerEnv: bridge.env };
  for (let from = 0; from < TASKS; from += 100) {
    const tasks = Array.from({ length: 100 }, (_, at) => taskFile(from + at));
    const ids = await commitAllOnMain(to, tasks);
    await commitAllOnMain(
      to,
      tasks.map(({ content }, at) => {
        const response = { status: 200, body: { id: `chatcmpl-${from + at}`, choices: [{ index: 0 }] } };
        const answer = anAnswer(ids[at] ?? '', String(from + at), {
          ...{ task_hash: taskHash(Buffer.from(content)), answer: 'yes', response },
        });
        return { path: 'inbox.json', content: writeAnswer(answer), message: answerMessage(answer).trimEnd() };
      }),
    );
  }
}

function taskFile(number: number): MainFile {
  const length = number % LARGE_EVERY === 0 ? LARGE_BYTES : BODY_BYTES;
  const messages = [{ role: 'user', content: textOf(number, length - 300) }];
  const request = { path: '/v1/chat/completions', body: { model: 'llama3.2', messages } };
  const content = JSON.stringify({ id: `${number}`, request });
  const message = askMessage({
    hash: taskHash(Buffer.from(content)),
    question: `number ${number}`,
  }).trimEnd();
  return { path: 'task.json', content, message };
}

/** A text of which no two share anything. */
function textOf(seed: number, length: number): string {
  const block = createHash('sha512').update(String(seed)).digest('base64').repeat(50);
  return block.repeat(Math.ceil(length / block.length)).slice(0, length);
}

/** Runs a command to its end, and looks at the memory of all its processes meanwhile. */
async function peakOf(bridge: PlainBridge, args: readonly string[]) {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: bridge.env, stdio: 'ignore' });
  const ended = once(child, 'close');
  let isOver = false;
  ended.finally(() => {
    isOver = true;
  });
  let megabytes = 0;
  while (!isOver) {
    megabytes = Math.max(megabytes, (await usageOf(await treeOf(child.pid ?? -1))).megabytes);
    await Promise.race([ended, sleep(30)]);
  }
  const [exitCode] = await ended;
  const seconds = (performance.now() - startedMs) / 1000;
  return { megabytes: Math.round(megabytes), seconds: Number(seconds.toFixed(1)), exitCode };
}
