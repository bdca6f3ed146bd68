import { expect, test } from 'vitest';
import type { TaskRow } from '../../../../src/admin/task-rows.js';
import { needOf, SILENT_MS } from '../../../../src/admin/wake/unattended.js';
import type { TaskWork, WhoWorks } from '../../../../src/bridge/side-refs.js';
import type { Presence } from '../../../../src/protocol/presence.js';
import { presencesAt } from '../presence-fixture.js';

const NOW = Date.parse('2026-11-27T01:00:00.000Z');
const TASK = '1'.repeat(40);

const presence = presencesAt(NOW);

function row(changes: Partial<TaskRow> & { ageMs?: number } = {}): TaskRow {
  const { ageMs = 1000, ...more } = changes;
  return {
    ...{ task: TASK, state: 'pending', asker: 'bot', question: '2+2', agent: null, answered_at: null },
    ...{
      answer: null,
      work: null,
      waits_for: null,
      waiting: null,
      place: null,
      asked_at: new Date(NOW - ageMs).toISOString(),
      ...more,
    },
  };
}

function need(rows: TaskRow[], agents: Presence[], running: Record<string, TaskWork> = {}) {
  const who: WhoWorks = { agents, running: new Map(Object.entries(running)), models: new Map() };
  return needOf(rows, { who, nowMs: NOW, takesClaims: true });
}

const stopped = presence('home-pc', { state: 'stopped' });
const waits = { model: 'qwen3', agents: [{ name: 'office', seen_at: null }] };
const work: TaskWork = { agent: 'home-pc', model: null, sinceMs: null, phase: null };

test('an empty bridge has to be looked at only when something happens', () => {
  expect(need([], [stopped])).toEqual({ unattended: null, pending: new Set(), changesInMs: null });
  expect(need([row({ state: 'done' }), row({ state: 'cancelled' })], [])).toMatchObject({
    changesInMs: null,
  });
});

test('a task is unattended where no agent is there, and all that are known could answer it', () => {
  expect(need([row()], [stopped])).toEqual({
    unattended: { task: TASK, agents: ['home-pc'] },
    pending: new Set([TASK]),
    changesInMs: SILENT_MS - 1000,
  });
  expect(need([row()], [])).toMatchObject({ unattended: { agents: [] } });
});

test('a task whose model is only with an agent that is away waits for that one', () => {
  const here = presence('home-pc');
  expect(need([row(), row({ task: '2'.repeat(40), waits_for: waits })], [here])).toMatchObject({
    unattended: { task: '2'.repeat(40), agents: ['office'] },
  });
});

test('a standby keeps nobody asleep, and what it alone can answer wakes nobody', () => {
  const small = presence('small', { after_s: 600 });
  expect(need([row()], [small, stopped])).toMatchObject({ unattended: { agents: ['home-pc'] } });
  // At work on another task, it is still no agent that is there.
  expect(need([row()], [small, stopped], { t: { ...work, agent: 'small' } })).toMatchObject({
    unattended: { agents: ['home-pc'] },
  });
  const standby = { name: 'small', at: new Date(NOW).toISOString() };
  const waiting = { agents: [], waking_by: null, standby };
  expect(need([row({ waiting })], [small, stopped])).toMatchObject({ unattended: null });
});

test('a task that forbids the agent that is there wakes the one that may have it', () => {
  const away = { name: 'home-pc', state: 'away', seen_at: null } as const;
  const waiting = { agents: [away], waking_by: null, standby: null };
  expect(need([row({ waiting })], [presence('api', { cloud: true }), stopped])).toMatchObject({
    unattended: { task: TASK },
  });
});

test('an agent that is there, or at work, is not woken', () => {
  // It is looked at again when the task has waited too long, whenever this look is.
  expect(need([row()], [presence('home-pc')])).toMatchObject({
    unattended: null,
    changesInMs: SILENT_MS - 1000,
  });
  expect(need([row({ ageMs: 3_600_000 })], [presence('home-pc')], { t: work })).toMatchObject({
    unattended: null,
    changesInMs: SILENT_MS,
  });
  // One that reaches no model server is awake.
  expect(need([row({ ageMs: 3_600_000 })], [presence('home-pc', { backends: [] })])).toMatchObject({
    unattended: null,
  });
});

test('a PC that fell asleep without a word is woken although its presence is fresh', () => {
  expect(need([row({ ageMs: SILENT_MS - 1 })], [presence('home-pc')])).toMatchObject({ unattended: null });
  expect(need([row({ ageMs: SILENT_MS })], [presence('home-pc')])).toMatchObject({
    unattended: { agents: ['home-pc'] },
  });
});

test('a PC that answered a moment ago is awake, however long the next task has waited', () => {
  const next = row({ ageMs: 3_600_000 });
  const answer = (agoMs: number, agent = 'home-pc') =>
    row({
      ...{ task: '2'.repeat(40), state: 'done', agent, ageMs: 3_600_000 },
      answered_at: new Date(NOW - agoMs).toISOString(),
    });
  expect(need([answer(1000), next], [presence('home-pc')])).toMatchObject({
    unattended: null,
    changesInMs: SILENT_MS - 1000,
  });
  expect(need([answer(SILENT_MS), next], [presence('home-pc')])).toMatchObject({
    unattended: { agents: ['home-pc'] },
  });
  // Of another agent it says nothing about this one.
  const there = { name: 'home-pc', state: 'there', seen_at: null } as const;
  const waiting = { agents: [there], waking_by: null, standby: null };
  const agents = [presence('home-pc'), presence('office')];
  expect(need([answer(1000, 'office'), { ...next, waiting }], agents)).toMatchObject({
    unattended: { task: TASK },
  });
});

test('a PC that is at work for another bridge is awake, however long a task waits for it here', () => {
  const busy = { name: 'home-pc', state: 'busy', seen_at: null } as const;
  const waiting = { agents: [busy], waking_by: null, standby: null };
  expect(need([row({ ageMs: 3_600_000, waiting })], [presence('home-pc')])).toMatchObject({
    unattended: null,
    changesInMs: SILENT_MS,
  });
});

test('while a task is answered it is looked at again: a claim runs out without a ring', () => {
  expect(need([row({ state: 'running' })], [presence('home-pc')], { [TASK]: work })).toEqual({
    unattended: null,
    pending: new Set(),
    changesInMs: SILENT_MS,
  });
});
