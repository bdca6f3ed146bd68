import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { followStatus } from '../../../src/admin/follow-status.js';
import { runWake } from '../../../src/admin/wake/run-wake.js';
import { askInView } from '../../../src/asker/ask.js';
import { openToWrite } from '../../../src/asker/commit-to-view.js';
import { draftTask } from '../../../src/asker/task-draft.js';
import type { BridgeView } from '../../../src/bridge/bridge-view.js';
import type { BridgeAccess } from '../../../src/bridge/connection.js';
import { openBridgeView } from '../../../src/bridge/open-bridge-view.js';
import { BatchIndex } from '../../../src/gateway/batches/batch-index.js';
import { BridgeFeed } from '../../../src/gateway/bridge-feed.js';
import { KnownModels } from '../../../src/gateway/known-models.js';
import { NewestAnswers } from '../../../src/gateway/newest-answers.js';
import { openCalls } from '../../../src/gateway/open-calls.js';
import { StoredTasks } from '../../../src/gateway/stored/stored-tasks.js';
import { readRecords } from '../../../src/log/read-records.js';
import { gitOk } from '../../support/git.js';
import { anAnswer, messageWriter } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { IN_OWN_SESSION } from '../../support/own-session.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { waitUntil } from '../../support/wait-until.js';

/** A bridge that is elsewhere. All that a program here keeps of it is a clone among temporary files. */
let bridge: PlainBridge;
let access: BridgeAccess;
let temp: string;

beforeEach(async () => {
  bridge = await startPlainBridge({ principals: { bot: 'asker' } });
  const ssh = join(bridge.dir, 'ssh');
  // The forced command of a key, without an sshd in front of it, and without shared connections (-G).
  await writeFile(
    ssh,
    `#!/bin/sh\ncase " $* " in *' -G '*) exit 1 ;; esac\nfor last; do :; done\nSSH_ORIGINAL_COMMAND="$last" exec ${IN_OWN_SESSION}'${bridge.repoPath}/bridge/ssh-command' bot\n`,
    { mode: 0o755 },
  );
  access = { repo: `bridge@server:${bridge.repoPath}`, env: { ...bridge.env, GIT_SSH_COMMAND: ssh } };
  temp = join(bridge.dir, 'tmp');
  await mkdir(temp);
  vi.stubEnv('TMPDIR', temp);
  onCleanup(() => void vi.unstubAllEnvs());
});

/** As a cleaner of temporary files does, for whom a waiting program has not touched its own for too long. */
async function cleanAway(): Promise<void> {
  const names = await readdir(temp);
  expect(names).not.toEqual([]);
  for (const name of names) await rm(join(temp, name), { recursive: true, maxRetries: 10 });
}

const inBridge = () => ({ gitDir: bridge.repoPath, env: bridge.env });
const write = () => messageWriter(bridge.repoPath, bridge.env);
const move = async (id: string) => {
  await gitOk(['update-ref', '-m', 'push', 'refs/heads/main', id], inBridge());
  return id;
};
const asked = async (text: string) => move(await write().ask(await bridge.tip(), text));
const answered = async (task: string, text: string) =>
  move(await write().answer(await bridge.tip(), anAnswer(task, text, { answer: `${text}!` })));

async function openView(): Promise<BridgeView> {
  const view = await openBridgeView(access, 'window');
  onCleanup(() => view.close());
  return view;
}

/** The first that comes, and then those behind it. */
async function next<T>(all: AsyncGenerator<T>): Promise<T> {
  const { done, value } = await all.next();
  if (done) throw new Error('it ended');
  return value;
}

test('who asks once more, or replies, in a view that was left open for days is asked for, and gets the answer', async () => {
  const view = await openToWrite(access, 'window', { name: 'bot' });
  onCleanup(() => view.close());
  const ask = async (text: string, replyTo?: string) => {
    const outcome = await askInView(view, {
      ...{ name: 'bot', timeoutMs: 60_000, ...(replyTo === undefined ? {} : { replyTo }) },
      draft: ({ maxBytes, nowMs, replyTo: reply_to }) =>
        draftTask(
          { prompt: text, ...(reply_to === undefined ? {} : { reply_to }) },
          { nowMs, maxBytes, dedup: false },
        ),
      // While it waits, too.
      onAsked: (task) => void cleanAway().then(() => answered(task, text)),
    });
    if (outcome.status !== 'answered') throw new Error(outcome.status);
    expect(outcome.answer.answer).toBe(`${text}!`);
    return outcome.task;
  };
  await cleanAway();
  const first = await ask('one');
  await cleanAway();
  await ask('two', first);
  expect((await gitOk(['log', '--format=%s', 'main'], inBridge())).match(/^ask: /gm)).toHaveLength(2);
});

test('who follows the log, or the status, goes on', async () => {
  const task = await asked('one');
  const enough = new AbortController();
  const log = readRecords(access, { follow: true, signal: enough.signal });
  const status = followStatus(access, { until: enough.signal });
  onCleanup(() => enough.abort());
  expect(await next(status)).toMatchObject({ answered: 0, pending: [{ task }] });
  const coming = next(log);
  await waitUntil(async () => (await readdir(temp)).length === 2, 'both have their clone');
  await answered(task, 'one');
  expect(JSON.parse(await coming)).toMatchObject({ task_commit: task, answer: 'one!' });
  await cleanAway();
  await answered(await asked('two'), 'two');
  const [record] = await Promise.all([next(log), cleanAway().catch(() => {})]);
  expect(JSON.parse(record)).toMatchObject({ answer: 'two!' });
  for (;;) if ((await next(status)).answered === 2) break;
});

test('who wakes a PC sees the next task', async () => {
  const said: string[] = [];
  const enough = new AbortController();
  const options = { target: null, command: 'true', signal: enough.signal };
  const running = runWake({ access, ...options, log: (_level, text) => void said.push(text) });
  const wakesFor = (task: string) =>
    waitUntil(() => said.some((text) => text.includes(`task ${task.slice(0, 8)} waits`)), 'it wakes');
  const first = await asked('one');
  await wakesFor(first);
  await answered(first, 'one');
  await waitUntil(() => said.some((text) => text.includes('nothing waits')), 'it is over');
  await cleanAway();
  await wakesFor(await asked('two'));
  enough.abort();
  await running;
});

describe('of a gateway', () => {
  test('the feed brings what is new, and models, answers, batches and calls are read', async () => {
    const told: string[] = [];
    const view = await openView();
    const feed = await BridgeFeed.open(view, {
      onCommits: async (commits) => void told.push(...commits.map(({ id }) => id)),
      ...{ onSideRefs: () => {}, onProblem: () => {} },
    });
    onCleanup(() => feed.close());
    const readers: Readonly<Record<string, () => Promise<unknown>>> = {
      models: () => new KnownModels(feed).who(0),
      answers: async () => (await new NewestAnswers(view).whole()).length,
      batches: () => new BatchIndex(view).refresh({ now: true }),
      'a call': () => new StoredTasks(view).find('a'.repeat(40)),
      'a task': () => new StoredTasks(view).isHere('a'.repeat(40)),
    };
    for (const read of Object.values(readers)) {
      await cleanAway();
      await read();
    }
    await cleanAway();
    const task = await asked('one');
    await feed.catchUp();
    expect(told).toEqual([task]);
  });

  test('a call is put on main, and what became of one is told', async () => {
    const settings = { waitMs: 60_000, lingerMs: 60_000, gateway: 'test', name: 'bot', maxCalls: 500 };
    const problems: unknown[] = [];
    const calls = await openCalls(access, { ...settings, onProblem: (error) => problems.push(error) });
    onCleanup(() => calls.close());
    const post = async (content: string) => {
      const body = { messages: [{ role: 'user', content }] };
      const given = { token: null, idempotencyKey: null, wantsStream: false };
      const task = await calls.post({ path: '/v1/chat/completions', body, ...given });
      expect(task).toBe(await bridge.tip());
      return task;
    };
    const task = await post('2+2');
    const stored = new StoredTasks(calls.view);
    const call = await stored.find(task);
    await cleanAway();
    await post('2+3');
    await cleanAway();
    expect(call === null ? null : await stored.state(call)).toEqual({ status: 'open' });
    expect(problems).toEqual([]);
  });
});
