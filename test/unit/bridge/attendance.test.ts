import { describe, expect, test } from 'vitest';
import { attendanceOf, attendanceProblem } from '../../../src/bridge/attendance.js';
import type { TaskWork, WhoWorks } from '../../../src/bridge/side-refs.js';
import type { AgentModels } from '../../../src/protocol/models.js';
import { PRESENCE_FRESH_MS, type Presence, type PresenceWork } from '../../../src/protocol/presence.js';
import { aPresence } from '../../support/a-presence.js';

const NOW = Date.parse('2026-11-22T17:00:00.000Z');

function presence(agent: string, changes: Partial<Presence> & { agoMs?: number } = {}): Presence {
  const { agoMs = 0, ...more } = changes;
  const at = new Date(NOW - agoMs).toISOString();
  return aPresence({ agent, backends: ['ollama'], seen_at: at, ...more });
}

const work = (agent: string): TaskWork => ({ agent, model: null, sinceMs: null, phase: null });

const working = (phase: string): PresenceWork => ({
  ...{ task: '1'.repeat(40), phase, since: new Date(NOW).toISOString() },
});

function judge(agents: readonly Presence[], running: Record<string, TaskWork> = {}, takesClaims = true) {
  const who: WhoWorks = { agents, running: new Map(Object.entries(running)), models: new Map() };
  const attendance = attendanceOf(who, { nowMs: NOW, takesClaims });
  return { attendance, problem: attendanceProblem(attendance, NOW) };
}

test.each([
  ['an agent that is there', [presence('home-pc')], {}],
  ['one of two that reaches a model server', [presence('a', { backends: [] }), presence('b')], {}],
  [
    'one that works on a task, with a model server that came after its list of them',
    [presence('home-pc', { backends: [], work: [working('loading')] })],
    {},
  ],
  ['agent --once, which has a claim and no presence', [], { t: work('home-pc') }],
  [
    'one that was silent for long and has a claim',
    [presence('home-pc', { agoMs: 3_600_000 })],
    { t: work('home-pc') },
  ],
])('%s is somebody', (_name, agents, running) => {
  expect(judge(agents, running)).toMatchObject({ attendance: { state: 'present' }, problem: null });
});

test('nobody is missed on a bridge where agents do not say that they are there', () => {
  expect(judge([], {}, false)).toEqual({ attendance: { state: 'unknown' }, problem: null });
});

test.each([
  ['nobody', [presence('home-pc', { agoMs: 3_600_000 })]],
  ['no model server', [presence('home-pc', { backends: [] })]],
])('where there is %s, it is said when a standby answers; the first of several', (_what, agents) => {
  const standbys = [presence('api', { after_s: 1800 }), presence('small', { after_s: 600 })];
  expect(judge([...agents, ...standbys]).problem?.text).toMatch(/; small answers what has waited 10 min$/);
  const gone = presence('small', { after_s: 600, agoMs: 3_600_000 });
  expect(judge([...agents, gone]).problem?.text).not.toContain('answers');
  expect(judge([...agents, presence('tower'), ...standbys]).problem).toBeNull();
});

test('a standby that has not the model that is asked for is not counted on', () => {
  const at = new Date(NOW).toISOString();
  const having = (...names: string[]): AgentModels =>
    ({ at, models: names.map((name) => ({ name, backend: 'ollama', can: ['chat'] })) }) as never;
  const said = (small: AgentModels) => {
    const who: WhoWorks = {
      agents: [presence('home-pc', { agoMs: 3_600_000 }), presence('small', { after_s: 600 })],
      running: new Map(),
      models: new Map([
        ['home-pc', having('llama3.2')],
        ['small', small],
      ]),
    };
    const asked = { wanted: { model: 'llama3.2' }, sameModel: (_: string, a: string, b: string) => a === b };
    return attendanceProblem(attendanceOf(who, { nowMs: NOW, takesClaims: true }, asked), NOW)?.text;
  };
  expect(said(having('llama3.2'))).toMatch(/home-pc, last seen .*; small answers what has waited 10 min$/);
  expect(said(having('qwen3:1.7b'))).not.toContain('small');
});

test('a bridge that never had an agent says so', () => {
  const { attendance, problem } = judge([]);
  expect(attendance).toEqual({ state: 'absent', last: null });
  expect(problem?.text).toBe('no agent has said yet that it is there');
});

test.each([
  ['stopped', presence('home-pc', { state: 'stopped', agoMs: 60_000 }), '2026-11-22T16:59:00.000Z', '60 s'],
  ['gone', presence('home-pc', { agoMs: PRESENCE_FRESH_MS + 1000 }), '2026-11-22T16:54:59.000Z', '5 min'],
])('the last one that is %s is named, with when it was seen', (_name, last, since, ago) => {
  const older = presence('attic-pc', { state: 'stopped', agoMs: 7_200_000 });
  const { attendance, problem } = judge([last, older]);
  expect(attendance).toMatchObject({ state: 'absent', last: { agent: 'home-pc' } });
  expect(problem?.text).toMatch(`no agent is there since ${since} (home-pc, `);
  expect(problem?.text).toContain(ago);
  expect(problem?.remedy).toContain('llm-bridge agent');
});

test('agents without a model server are told from those that are not there', () => {
  const { attendance, problem } = judge([presence('a', { backends: [] }), presence('b', { backends: [] })]);
  expect(attendance).toEqual({ state: 'no-model-server', agents: ['a', 'b'] });
  const waits = presence('a', { backends: [], work: [working('waiting'), working('queued')] });
  expect(judge([waits]).attendance).toEqual({ state: 'no-model-server', agents: ['a'] });
  expect(problem?.text).toBe('a, b reach no model server');
});

describe('of a model that is asked for', () => {
  const has = (agent: string, ...names: string[]) =>
    [
      agent,
      {
        agent,
        at: new Date(NOW).toISOString(),
        models: names.map((name) => ({ name, backend: 'one', can: [] })),
      },
    ] as const;
  const asked = {
    wanted: { model: 'large' },
    sameModel: (_backend: string, one: string, other: string) => one === other,
  };
  const judgeModel = (
    agents: readonly Presence[],
    models: readonly (readonly [string, AgentModels])[],
    running: Record<string, TaskWork> = {},
  ) => {
    const who = { agents, running: new Map(Object.entries(running)), models: new Map(models) };
    return attendanceOf(who, { nowMs: NOW, takesClaims: true }, asked);
  };
  const away = presence('office', { agoMs: 3 * 3_600_000 });
  const here = presence('home-pc', { agoMs: 1000 });
  const both = [has('office', 'large'), has('home-pc', 'small')];

  test('it is told who has it and is away, and since when', () => {
    const attendance = judgeModel([away, here], [...both, has('attic', 'large')]);
    expect(attendance).toEqual({
      ...{ state: 'model-away', model: 'large' },
      holders: [
        { agent: 'office', seenMs: NOW - 3 * 3_600_000 },
        { agent: 'attic', seenMs: null },
      ],
    });
    expect(attendanceProblem(attendance, NOW)?.text).toBe(
      'large is with no agent that is there: office, last seen 3 h ago; attic, never seen',
    );
    expect(judgeModel([away], both)).toMatchObject({ state: 'model-away' });
    // A claim that it left is no sign of it.
    expect(judgeModel([away, here], both, { t: work('office') })).toMatchObject({ state: 'model-away' });
  });

  test.each([
    ['that is there', [presence('office', { agoMs: 1000 }), here], both, {}],
    ['that is at work without having said that it is there', [here], both, { t: work('office') }],
    ['that nobody has: the answer is an error', [here], [has('home-pc', 'small')], {}],
    ['that may be with an agent which does not say', [away, here], [has('office', 'large')], {}],
  ])('nobody waits for one %s', (_what, agents, models, running) => {
    expect(judgeModel(agents, models, running)).toMatchObject({ state: 'present' });
  });
});

test('a standby is nobody before its time: not while it is there, nor while it works, nor as the one seen last', () => {
  const standby = presence('small', { after_s: 600 });
  const away = presence('home-pc', { state: 'stopped', agoMs: 60_000 });
  const stoodIn = { standby: { agent: 'small', afterMs: 600_000 } };
  expect(judge([standby]).attendance).toEqual({ state: 'absent', last: null, ...stoodIn });
  expect(judge([standby, away], { t: work('small') }).attendance).toMatchObject({
    ...{ state: 'absent', last: { agent: 'home-pc' } },
  });
  expect(judge([standby, presence('home-pc')]).attendance).toEqual({ state: 'present', agents: ['home-pc'] });
});

test('a model that a PC and a standby have waits for the PC, and one that the standby has alone for nobody who is away', () => {
  const has = (agent: string, name: string): [string, AgentModels] => [
    agent,
    { agent, at: new Date(NOW).toISOString(), models: [{ name, backend: 'ollama', can: [] }] },
  ];
  const standby = presence('small', { after_s: 600 });
  const away = presence('home-pc', { state: 'stopped', agoMs: 60_000 });
  const judged = (agents: readonly Presence[], ...models: [string, AgentModels][]) =>
    attendanceOf(
      { agents, running: new Map(), models: new Map(models) },
      { nowMs: NOW, takesClaims: true },
      { wanted: { model: 'm' }, sameModel: (_backend, a, b) => a === b },
    );
  expect(judged([standby, away], has('small', 'm'), has('home-pc', 'm'))).toMatchObject({
    ...{ state: 'model-away', holders: [{ agent: 'home-pc' }] },
  });
  const there = presence('home-pc');
  expect(judged([standby, there], has('small', 'm'), has('home-pc', 'n'))).toMatchObject({
    state: 'present',
  });
  const gone = presence('small', { after_s: 600, agoMs: 3_600_000 });
  expect(judged([gone, there], has('small', 'm'), has('home-pc', 'n'))).toMatchObject({
    ...{ state: 'model-away', holders: [{ agent: 'small' }] },
  });
});
