import { expect, test } from 'vitest';
import { ModelRoom } from '../../../src/agent/model-room.js';
import type { AgentContext } from '../../../src/agent/open-agent.js';
import { UnpushedAnswers } from '../../../src/agent/unpushed-answers.js';
import { Workers } from '../../../src/agent/workers.js';
import type { AskedTask } from '../../../src/protocol/queue.js';

test('no task goes to a model while the models are too far ahead of the pushes', () => {
  let isBehind = true;
  const unpushed = new UnpushedAnswers([]);
  Object.defineProperty(unpushed, 'isBehind', { get: () => isBehind });
  const chosen: unknown[] = [];
  const workers = new Workers({
    session: {
      ...{ unpushed, queue: { goodAnswers: new Map(), cancelled: new Map() } },
      uncancelled: [],
    },
    options: { room: new ModelRoom(8), parallel: 8 },
    connection: { address: { url: 'ssh://server/bridge.git' } },
    signal: new AbortController().signal,
    queue: {},
    gate: { version: 0, isChoosing: false },
    claims: {
      isAlone: () => true,
      knowsNobody: () => true,
      knowledge: () => null,
      choose: ({ room, ahead, cancelled }: Record<string, unknown>) => {
        chosen.push({ room, ahead, cancelled });
        return [];
      },
    },
  } as unknown as AgentContext);
  workers.fill();
  isBehind = false;
  workers.fill();
  expect(chosen).toEqual([
    { room: 0, ahead: 0, cancelled: 16 },
    { room: 8, ahead: 0, cancelled: 16 },
  ]);
});

test('a cancelled task is answered without a claim, and any other is claimed', async () => {
  const tasks = ['gone', 'open'].map((id) => ({ id }) as AskedTask);
  const cancelled = new Map([['gone', { by: 'bot', blob: '' }]]);
  const claimed: string[] = [];
  const stop = new AbortController();
  const starts = tasks.map(({ id }) => ({ do: 'start', task: id, claimFirst: true }));
  const workers = new Workers({
    session: {
      ...{ unpushed: new UnpushedAnswers([]), queue: { goodAnswers: new Map(), cancelled } },
      ...{ uncancelled: [tasks[1]], isPending: () => true, isOpen: () => true, settle: () => {} },
      openTask: (id: string) => tasks.find((task) => task.id === id),
    },
    options: { room: new ModelRoom(8), parallel: 8, log: () => {} },
    connection: { address: { url: 'ssh://server/bridge.git' } },
    signal: stop.signal,
    queue: {},
    notifier: { ring: () => {} },
    gate: { version: 0, isChoosing: false, mayTake: () => true },
    claims: {
      ...{ isAlone: () => true, knowsNobody: () => true, knowledge: () => null },
      ...{ tell: () => {}, end: () => {} },
      begin: (task: string) => {
        claimed.push(task);
        return Promise.resolve(false);
      },
      choose: () => starts.splice(0),
    },
  } as unknown as AgentContext);
  workers.fill();
  expect(workers.busy()).toBe(2);
  stop.abort();
  await workers.ended();
  expect(claimed).toEqual(['open']);
});

test('tasks that are given back at the same time for the agent that has their model are all known as left', async () => {
  const tasks = ['one', 'two'].map((id) => ({ id }) as AskedTask);
  const offer = { models: [], loaded: [], backends: ['ollama'], silent: [] };
  const away = { agent: 'office', at: '', models: [{ name: 'away', backend: 'ollama', can: [] }] };
  const known = { offer, models: new Map([['office', { id: '', models: away }]]), saidLoaded: [] };
  let knowledge: unknown = null;
  let left: readonly string[] = [];
  const stop = new AbortController();
  const starts = tasks.map(({ id }) => ({ do: 'start', task: id, claimFirst: true }));
  const workers = new Workers({
    session: {
      ...{ unpushed: new UnpushedAnswers([]), queue: { goodAnswers: new Map(), cancelled: new Map() } },
      ...{ uncancelled: tasks, name: 'pc', isPending: () => true, isOpen: () => true },
    },
    options: { room: new ModelRoom(8), parallel: 8, log: () => {} },
    connection: { address: { url: 'ssh://server/bridge.git' } },
    signal: stop.signal,
    queue: { modelFor: () => ({ model: 'away' }) },
    notifier: { ring: () => {} },
    gate: { version: 0, isChoosing: false, mayTake: () => true },
    claims: {
      ...{ isAlone: () => true, knowsNobody: () => false, knowledge: () => knowledge },
      ...{ tell: () => {}, end: () => {} },
      begin: async (_task: string, _first: boolean, { drop }: { drop: (why: string) => void }) => {
        await Promise.resolve();
        knowledge = known;
        drop('left to office: away is not here any more');
        return false;
      },
      choose: (choosing: { left: readonly string[] | null }) => {
        left = choosing.left ?? left;
        return starts.splice(0);
      },
    },
  } as unknown as AgentContext);
  workers.fill();
  await workers.ended();
  expect(left).toEqual(['one', 'two']);
});
