import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BridgeConnection } from '../../../src/bridge/connection.js';
import { openStreamWriter, type StreamWriter } from '../../../src/bridge/stream-writer.js';
import type { AskedCall } from '../../../src/gateway/asked-call.js';
import type { Calls, CallsSettings } from '../../../src/gateway/calls.js';
import type { CallEvent, LiveCall } from '../../../src/gateway/live-call.js';
import { openCalls } from '../../../src/gateway/open-calls.js';
import { writeBlob, writeFileCommit } from '../../../src/git/commit-file.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { resolveRef, updateRefs } from '../../../src/git/refs.js';
import { type Answer, writeAnswer } from '../../../src/protocol/answer.js';
import { answerMessage } from '../../../src/protocol/commit-message.js';
import { INBOX_FILE, MAIN_REF } from '../../../src/protocol/names.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';

/** A bridge without hooks, and the calls of a gateway beside it. */
export interface CallsFixture {
  readonly bridge: BareBridge;
  readonly calls: Calls;
  /** What went wrong. */
  readonly problems: unknown[];
  /** Another gateway on the same bridge, as after a restart. */
  again(more?: Partial<CallsSettings>): Promise<Calls>;
  /** Answers a task as an agent would. Returns the commit. */
  answer(task: string, more?: Partial<Answer>): Promise<string>;
  /** The stream of a task, as an agent writes it. */
  say(task: string): StreamWriter;
  /** The subjects of main, the oldest first, without the root. */
  subjects(): Promise<string[]>;
  /** How often main moved. */
  moves(): Promise<number>;
}

export async function startCalls(more: Partial<CallsSettings> = {}): Promise<CallsFixture> {
  const bridge = await bareBridge();
  await mkdir(join(bridge.gitDir, 'bridge/streams'), { recursive: true });
  const problems: unknown[] = [];
  const open = async (changed: Partial<CallsSettings>): Promise<Calls> => {
    const calls = await openCalls(
      { repo: bridge.gitDir, env: bridge.env },
      {
        ...{ waitMs: 60_000, lingerMs: 60_000, gateway: 'test', name: 'bot', maxCalls: 500 },
        onProblem: (error) => problems.push(error),
        ...changed,
      },
    );
    onCleanup(() => calls.close());
    return calls;
  };
  const connection: BridgeConnection = {
    address: { kind: 'local', url: bridge.gitDir },
    env: process.env,
    ssh: null,
  };
  return {
    bridge,
    problems,
    calls: await open(more),
    again: (changed = {}) => open({ ...more, ...changed }),
    answer: (task, changed) => answerTask(bridge, task, changed),
    say(task) {
      const writer = openStreamWriter(connection, task);
      onCleanup(() => writer.close());
      return writer;
    },
    subjects: async () =>
      (await bridge.git(['log', '--reverse', '--format=%s', 'main'])).split('\n').slice(1),
    moves: async () =>
      (await readFile(join(bridge.gitDir, 'logs/refs/heads/main'), 'utf8')).trim().split('\n').length - 1,
  };
}

/** A call of chat completions. */
export function chat(question: string, more: Partial<AskedCall> = {}): AskedCall {
  return {
    path: '/v1/chat/completions',
    body: { messages: [{ role: 'user', content: question }] },
    ...{ token: null, idempotencyKey: null, wantsStream: false },
    ...more,
  };
}

/** All that comes of a call. */
export async function eventsOf(call: LiveCall): Promise<CallEvent[]> {
  const events: CallEvent[] = [];
  for await (const event of call.events) events.push(event);
  return events;
}

async function answerTask(repo: BareBridge, task: string, more: Partial<Answer> = {}): Promise<string> {
  const answer: Answer = {
    ...{ task_hash: 'a'.repeat(64), task_commit: task, model: 'llama3.2', backend: 'ollama' },
    ...{ answer: '4', error: null, created_at: '2026-11-22T17:02:27.123Z', latency_ms: 1, agent: 'home-pc' },
    ...more,
  };
  const reader = openObjectReader(repo);
  try {
    const parent = (await resolveRef(repo, MAIN_REF)) ?? '';
    const commit = await writeFileCommit(repo, reader, {
      ...{ parent, file: INBOX_FILE, blob: await writeBlob(repo, writeAnswer(answer)) },
      ...{ message: answerMessage(answer), by: { name: 'home-pc', atMs: Date.now() } },
    });
    const env = { ...repo.env, GIT_COMMITTER_NAME: 'home-pc', GIT_COMMITTER_EMAIL: 'x@y.invalid' };
    const outcome = await updateRefs(
      { ...repo, env },
      [{ ref: MAIN_REF, to: commit, from: parent }],
      'answer',
    );
    // A task came in between.
    return outcome === 'updated' ? commit : await answerTask(repo, task, more);
  } finally {
    reader.close();
  }
}
