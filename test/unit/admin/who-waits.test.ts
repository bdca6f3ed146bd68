import { expect, test } from 'vitest';
import { whoIsWaited } from '../../../src/admin/who-waits.js';
import type { TaskWork, WhoWorks } from '../../../src/bridge/side-refs.js';
import type { AgentModels } from '../../../src/protocol/models.js';
import type { TaskJson } from '../../../src/protocol/task.js';
import { presencesAt } from './presence-fixture.js';

const NOW = Date.parse('2026-11-27T10:35:00.000Z');
const ASKED = Date.parse('2026-11-27T10:32:00.000Z');
const TASK = '1'.repeat(40);

const presence = presencesAt(NOW);

const work = (agent: string): TaskWork => ({ agent, model: null, sinceMs: null, phase: null });
const away = presence('home-pc', { state: 'stopped' });
const small = presence('small', { after_s: 600 });
const pi = presence('pi', {
  ...{ state: 'stopped', backends: [] },
  work: [{ task: TASK, phase: 'waking', since: new Date(NOW).toISOString() }],
});
const has = (agent: string, name: string): [string, AgentModels] => [
  agent,
  { agent, at: new Date(NOW).toISOString(), models: [{ name, backend: 'ollama', can: [] }] },
];

function waited(task: Partial<TaskJson>, who: Partial<WhoWorks>) {
  const known = { agents: [], running: new Map(), models: new Map(), wakers: [], ...who };
  const { agents, ...rest } = whoIsWaited({ task: { prompt: 'x', ...task }, askedAtMs: ASKED }, known, NOW);
  return { agents: agents.map(({ name, state }) => `${name} ${state}`), ...rest };
}

const NOBODY = { waking_by: null, standby: null };

test('a PC that sleeps is waited for, who wakes it is named, and when the standby steps in', () => {
  expect(waited({}, { agents: [away, small], wakers: [pi] })).toEqual({
    agents: ['home-pc away'],
    waking_by: 'pi',
    standby: { name: 'small', at: '2026-11-27T10:42:00.000Z' },
  });
});

test('who said an hour ago, or from the future, that it wakes a PC wakes none now', () => {
  for (const byMs of [-3_600_000, 60_001]) {
    const waker = { ...pi, seen_at: new Date(NOW + byMs).toISOString() };
    expect(waited({}, { agents: [away], wakers: [waker] }).waking_by).toBeNull();
  }
});

test('of several standbys the first to step in is named, and one that is gone is none', () => {
  const later = presence('later', { after_s: 1800 });
  const gone = presence('gone', { after_s: 60, seen_at: new Date(NOW - 3_600_000).toISOString() });
  expect(waited({}, { agents: [gone, later, small] }).standby).toMatchObject({ name: 'small' });
});

test('one that is there is waited for alone, busy or not, and nobody wakes', () => {
  const here = presence('office');
  expect(waited({}, { agents: [away, here], wakers: [pi] })).toEqual({ agents: ['office there'], ...NOBODY });
  const running = new Map([[TASK, work('office')]]);
  expect(waited({}, { agents: [away, here], running })).toEqual({ agents: ['office busy'], ...NOBODY });
  const unable = presence('office', { backends: [] });
  expect(waited({}, { agents: [unable] })).toEqual({ agents: ['office no-model-server'], ...NOBODY });
});

test('one that is at work for other bridges is busy here too, by its own word', () => {
  const queued = { task: TASK, phase: 'queued', since: new Date(NOW).toISOString() };
  const elsewhere = presence('office', { work: [queued] });
  expect(waited({}, { agents: [away, elsewhere], wakers: [pi] })).toEqual({
    agents: ['office busy'],
    ...NOBODY,
  });
});

test('a task waits for those that have its model, its kind of server, and may have it', () => {
  const office = presence('office', { backends: ['lmstudio'] });
  const models = new Map([has('home-pc', 'big'), has('office', 'other'), has('small', 'tiny')]);
  const agents = [away, office, small];
  expect(waited({ model: 'big' }, { agents, models })).toEqual({ agents: ['home-pc away'], ...NOBODY });
  // The standby has it alone.
  expect(waited({ model: 'tiny' }, { agents, models })).toMatchObject({
    agents: [],
    standby: { name: 'small' },
  });
  expect(waited({ backend: 'lmstudio' }, { agents })).toEqual({ agents: ['office there'], ...NOBODY });
  const api = presence('api', { after_s: 60, cloud: true });
  expect(waited({ local_only: true }, { agents: [away, api] })).toEqual({
    agents: ['home-pc away'],
    ...NOBODY,
  });
  expect(waited({}, { agents: [away, api] }).standby).toMatchObject({ name: 'api' });
});

test('where nobody is known nobody is named', () => {
  expect(waited({}, {})).toEqual({ agents: [], ...NOBODY });
  expect(
    whoIsWaited(
      { task: null, askedAtMs: ASKED },
      { agents: [away], running: new Map(), models: new Map() },
      NOW,
    ),
  ).toMatchObject({
    agents: [{ name: 'home-pc', state: 'away' }],
  });
});
