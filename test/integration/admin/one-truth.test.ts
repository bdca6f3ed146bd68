import { expect, test } from 'vitest';
import type { BridgeStatus } from '../../../src/admin/bridge-status.js';
import type { Finding } from '../../../src/admin/doctor/finding.js';
import type { TaskRow } from '../../../src/admin/task-rows.js';
import { type Waiting, WaitingWatch } from '../../../src/asker/waiting-watch.js';
import type { BridgeView } from '../../../src/bridge/bridge-view.js';
import { openBridgeView } from '../../../src/bridge/open-bridge-view.js';
import { formatStatus } from '../../../src/cli/format-status.js';
import { type BridgeState, openBridgePage } from '../../../src/gateway/bridge-page.js';
import { claimRef, writeClaim } from '../../../src/protocol/claim.js';
import { modelsRef, writeModels } from '../../../src/protocol/models.js';
import { type Presence, presenceRef, writePresence } from '../../../src/protocol/presence.js';
import { aPresence } from '../../support/a-presence.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';

const SESSION = '1'.repeat(16);
const at = (fromNowMs = 0) => new Date(Date.now() + fromNowMs).toISOString();

/** A bridge on which a test says what agents say: two tasks of one asker, the later one more urgent. */
async function startMoments() {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const main = await bridge.tip();
  const done = await bridge.writer.ask(main, 'done', { author: 'bot' });
  const answered = await bridge.writer.answer(done, anAnswer(done, 'done'));
  const first = await bridge.writer.set(answered, 'task.json', '{"prompt":"a","model":"llama3.2"}', {
    author: 'bot',
  });
  const urgent = await bridge.writer.set(first, 'task.json', '{"prompt":"b","priority":5}', {
    author: 'bot',
  });
  await bridge.pushOk(urgent);
  return { bridge, done, first, urgent, view: await openBridgeView(accessTo(bridge), 'window') };
}

const accessTo = ({ repoPath: repo, env }: PlainBridge) => ({ repo, env });

/** Has the ref point at these bytes, as the push of an agent does. */
async function say({ repoPath, env, writer, cloneDir }: PlainBridge, ref: string, bytes: Uint8Array) {
  const blob = await writer.blob(bytes);
  await gitOk(['fetch', '--quiet', cloneDir, `+${blob}:${ref}`], { gitDir: repoPath, env });
}

const presence = (other: Partial<Presence> = {}) =>
  aPresence({
    ...{ session: SESSION, backends: ['ollama'], models: ['llama3.2'], started_at: at(-60_000) },
    ...other,
  });

/** What each of the five says of the tasks that are open, and of who is there. */
async function allOf({ bridge, view }: { bridge: PlainBridge; view: BridgeView }, asked: string) {
  const run = async (...args: string[]) =>
    (await runCliHere([...args, '--json', '--repo', bridge.repoPath], { env: bridge.env, cwd: bridge.dir }))
      .stdout;
  const rows = (await run('list'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TaskRow);
  const status = JSON.parse(await run('status')) as BridgeStatus;
  const page: BridgeState = await openBridgePage({
    view,
    who: () => view.whoWorks(),
    rates: () => new Map(),
  }).state();
  const doctor = JSON.parse(await run('doctor')) as Finding[];
  let waiting: Waiting | null = null;
  const onWaiting = (found: Waiting) => {
    waiting = found;
  };
  await new WaitingWatch(view, asked, { onWaiting }).look();
  return {
    list: rows,
    status,
    page,
    doctor: doctor.find(({ check }) => check === 'agents')?.text ?? '',
    // Both as a person reads them.
    doctorWarns: doctor.find(({ check }) => check === 'agents')?.status === 'warning',
    statusText: formatStatus(status),
    ask: waiting as Waiting | null,
  };
}

type All = Awaited<ReturnType<typeof allOf>>;

/** Holds the lists of `list`, `status` and the page against one another, and returns the states by task. */
function agreed({ list, status, page, statusText, doctorWarns }: All): Record<string, string> {
  const rows = list.map(({ task, state, agent, work, waits_for, place }) => ({
    ...{ task, state, agent, work, waits_for, place },
  }));
  const shown = page.tasks.map(({ task, state, agent, work, waits_for, place }) => ({
    ...{ task, state, agent, work, waits_for, place },
  }));
  expect(shown).toEqual(rows);
  const of = (state: string) => rows.filter((row) => row.state === state);
  expect(status.pending.map(({ task, waits_for }) => ({ task, waits_for }))).toEqual(
    of('pending').map(({ task, waits_for }) => ({ task, waits_for })),
  );
  expect(
    status.running.map(({ task, agent, model, since, phase }) => ({
      ...{ task, agent, work: { model, since, phase } },
    })),
  ).toEqual(of('running').map(({ task, agent, work }) => ({ task, agent, work })));
  expect(page.attendance).toEqual(status.attendance);
  const { problem } = status.attendance;
  expect([doctorWarns, statusText.includes('warning: ')]).toEqual([problem !== null, problem !== null]);
  expect(statusText).toContain(problem ?? '');
  expect(page.agents.map(({ name, state, busy }) => [name, state, busy])).toEqual(
    status.agents.map(({ name, state, busy }) => [name, state, busy]),
  );
  return Object.fromEntries(rows.map(({ task, state }) => [task, state]));
}

test('ask, status, list, doctor and the page say the same, from nobody there to an answer', async () => {
  const moments = await startMoments();
  const { bridge, done, first, urgent } = moments;
  const short = (id: string) => id.slice(0, 8);

  let all = await allOf(moments, first);
  expect(agreed(all)).toEqual({ [done]: 'done', [first]: 'pending', [urgent]: 'pending' });
  expect(all.list.map(({ place }) => place)).toEqual([null, 2, 1]);
  expect(all.status.attendance.state).toBe('absent');
  expect(all.ask).toMatchObject({ for: 'agent', attendance: { state: 'absent' } });
  expect(all.doctor).toBe(`${all.status.attendance.problem ?? ''}; 2 tasks wait`);

  await say(bridge, presenceRef('home-pc'), writePresence(presence({ backends: [] })));
  all = await allOf(moments, first);
  agreed(all);
  expect(all.status.attendance.state).toBe('no-model-server');
  expect(all.ask).toMatchObject({ for: 'agent', attendance: { state: 'no-model-server' } });
  expect(all.doctor).toContain('reaches no model server');

  const has = (agent: string, name: string) =>
    say(
      bridge,
      modelsRef(agent),
      writeModels({ agent, at: at(), models: [{ name, backend: 'ollama', can: ['chat'] }] }),
    );
  await has('attic-pc', 'llama3.2:latest');
  await has('home-pc', 'gemma:2b');
  await say(bridge, presenceRef('home-pc'), writePresence(presence()));
  all = await allOf(moments, first);
  agreed(all);
  expect(all.list[1]?.waits_for).toMatchObject({ model: 'llama3.2', agents: [{ name: 'attic-pc' }] });
  expect(all.ask).toMatchObject({ for: 'agent', attendance: { state: 'present' } });
  expect(all.doctor).toBe('home-pc is there');

  const claim = writeClaim({ agent: 'home-pc', session: SESSION, until: at(60_000) });
  for (const task of [urgent, done]) await say(bridge, claimRef(task), claim);
  // Seconds into a task, its agent has said no more than before.
  all = await allOf(moments, urgent);
  expect(agreed(all)).toEqual({ [done]: 'done', [first]: 'pending', [urgent]: 'running' });
  expect(all.status.agents).toMatchObject([{ name: 'home-pc', state: 'running', busy: [urgent] }]);
  for (const phase of ['waiting', 'loading', 'generating']) {
    const since = at(-5_000);
    const work = [{ task: urgent, phase, since, model: 'gemma:2b' }];
    await say(bridge, presenceRef('home-pc'), writePresence(presence({ busy: [urgent], work })));
    all = await allOf(moments, urgent);
    expect(agreed(all)).toEqual({ [done]: 'done', [first]: 'pending', [urgent]: 'running' });
    expect(all.status.running).toMatchObject([{ agent: 'home-pc', model: 'gemma:2b', since, phase }]);
    expect(all.status.agents).toMatchObject([{ name: 'home-pc', state: 'running', busy: [urgent] }]);
    const told = { agent: 'home-pc', model: 'gemma:2b', sinceMs: Date.parse(since), phase };
    expect(all.ask).toMatchObject({ for: 'answer', work: told });
    // Of the claim that a crash left on the answered task nobody speaks.
    const what = phase === 'waiting' ? 'waiting for its model server' : phase;
    expect(all.doctor).toMatch(
      new RegExp(`^home-pc is there; home-pc is at ${short(urgent)}, gemma:2b, ${what}, for \\d+ \\w+$`),
    );
  }

  await say(bridge, claimRef(urgent), writeClaim({ agent: 'home-pc', session: SESSION, until: at(-1) }));
  const gone = presence({ busy: [urgent], seen_at: at(-400_000) });
  await say(bridge, presenceRef('home-pc'), writePresence(gone));
  await gitOk(['update-ref', '-d', claimRef(done)], { gitDir: bridge.repoPath, env: bridge.env });
  all = await allOf(moments, urgent);
  expect(agreed(all)).toEqual({ [done]: 'done', [first]: 'pending', [urgent]: 'pending' });
  expect(all.status.attendance.state).toBe('absent');
  expect(all.status.agents).toMatchObject([{ state: 'gone', busy: [] }]);
  expect(all.ask).toMatchObject({ for: 'agent', attendance: { state: 'absent' } });
  expect(all.doctor).toContain('no agent is there since');
  await moments.view.close();
});
