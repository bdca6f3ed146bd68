import { beforeEach, describe, expect, test } from 'vitest';
import { AgentSession } from '../../../src/agent/agent-session.js';
import type { ModelKnowledge } from '../../../src/agent/claims/model-placement.js';
import type { AgentContext } from '../../../src/agent/open-agent.js';
import { OpenLine } from '../../../src/agent/open-line.js';
import { frontOfLine, tasksInLine } from '../../../src/agent/tasks-in-line.js';
import { UnpushedAnswers } from '../../../src/agent/unpushed-answers.js';
import { type AskedTask, readQueue } from '../../../src/protocol/queue.js';

const EMPTY = readQueue([], { nowMs: 0, ttlMs: 0 });
const TASKS = Array.from({ length: 2_000 }, (_, at) => ({ id: `t${at}`, askedAtMs: at }) as AskedTask);

let session: AgentSession;
/** How often a task was looked at. */
let looks = 0;
let agent: AgentContext;
let line: OpenLine;
let knowledge: ModelKnowledge | null = null;
let awayTasks: readonly string[] = [];

beforeEach(() => {
  session = new AgentSession({ id: '1'.repeat(16), name: '', unpushed: new UnpushedAnswers([]) });
  looks = 0;
  knowledge = null;
  awayTasks = [];
  const mayTake = () => {
    looks += 1;
    return true;
  };
  agent = {
    session,
    claims: { knowledge: () => knowledge },
    queue: {
      modelFor: (id: string) => (awayTasks.includes(id) ? { model: 'away' } : null),
      turnOf: () => ({ priority: 0, source: '' }),
    },
    gate: { mayTake, version: 0, isChoosing: false },
  } as unknown as AgentContext;
  line = new OpenLine(agent);
});

/** All but these are cancelled. */
const cancelAllBut = (...kept: readonly string[]) => {
  const cancelled = TASKS.filter(({ id }) => !kept.includes(id)).map(({ id }) => id);
  session.queued({
    ...EMPTY,
    pending: TASKS,
    cancelled: new Map(cancelled.map((id) => [id, { by: 'bot', blob: '' }])),
  });
};
const front = (most: { enough: number; cancelled: number }, running: readonly string[] = []) => {
  return [...frontOfLine(agent, line, (id) => running.includes(id), most).keys()];
};

test('behind thousands of cancelled tasks the others are found at once, and of those only as many as may start', () => {
  cancelAllBut('t1900', 't1950');
  expect(front({ enough: 1, cancelled: 0 })).toEqual(['t1900']);
  expect(front({ enough: 9, cancelled: 2 })).toEqual(['t1900', 't1950', 't0', 't1']);
  expect(front({ enough: 9, cancelled: 2 }, ['t1900', 't0'])).toEqual(['t1950', 't1', 't2']);
  expect(front({ enough: 0, cancelled: 0 })).toEqual([]);
  expect(looks).toBeLessThan(12);
});

test('a cancelled task whose answer is finished, or that the server will not have, is not found again', () => {
  cancelAllBut('t1900');
  session.settle('t0');
  session.unpushed.kept({ taskId: 't1', blob: '', answer: null as never });
  expect(front({ enough: 9, cancelled: 2 })).toEqual(['t1900', 't2', 't3']);
});

test('among several bridges cancelled tasks have no turn', () => {
  cancelAllBut('t1900', 't1950');
  const [first, second, ...more] = tasksInLine(agent, line, (id) => id === 't1950');
  expect([first?.isFree, second?.isFree, more]).toEqual([true, false, []]);
  expect((first?.waitedMs ?? 0) - (second?.waitedMs ?? 0)).toBe(50);
});

test('a cancel that comes for the last task leaves the line empty', () => {
  cancelAllBut('t7');
  cancelAllBut();
  expect([session.uncancelled, session.isPending('t7')]).toEqual([[], true]);
});

describe('tasks for the model of another agent', () => {
  const offering = (name: string) => ({ name, backend: 'ollama', can: [] });
  const away = (...models: string[]): ModelKnowledge => ({
    offer: { models: [offering('here')], loaded: [], backends: ['ollama'], silent: [] } as never,
    models: new Map([
      ['office', { id: '', models: { agent: 'office', at: '', models: models.map(offering) } }],
    ]) as never,
    saidLoaded: [],
  });
  const isRunning = (id: string) => id === 't5';

  beforeEach(() => {
    session.queued({ ...EMPTY, pending: TASKS });
    awayTasks = TASKS.slice(0, 1_990).map(({ id }) => id);
    knowledge = away('away');
  });

  test('are looked through once, and told once, however often there is room', () => {
    expect(front({ enough: 2, cancelled: 0 })).toEqual(['t1990', 't1991']);
    expect(line.takeLeft()).toHaveLength(1_990);
    looks = 0;
    for (let times = 0; times < 10; times++) expect(front({ enough: 1, cancelled: 0 })).toEqual(['t1990']);
    expect([looks, line.takeLeft()]).toEqual([10, null]);
  });

  test('are ours again when nobody lists the model any more, and when this agent has it', () => {
    expect(front({ enough: 1, cancelled: 0 })).toEqual(['t1990']);
    knowledge = away('another');
    expect(front({ enough: 1, cancelled: 0 })).toEqual(['t0']);
    expect(line.takeLeft()).toEqual([]);
    knowledge = away('away');
    expect(front({ enough: 1, cancelled: 0 })).toEqual(['t1990']);
    knowledge = null;
    expect(front({ enough: 1, cancelled: 0 })).toEqual(['t0']);
  });

  test('are told without one that runs here; given back, that one is told as well', () => {
    line.ours(isRunning);
    expect(line.takeLeft()).toHaveLength(1_989);
    line.changed();
    line.ours(() => false);
    expect(line.takeLeft()).toHaveLength(1_990);
  });

  test('are looked through again with a new task, and after the gate has changed', () => {
    front({ enough: 1, cancelled: 0 });
    session.queued({ ...EMPTY, pending: [...TASKS] });
    front({ enough: 1, cancelled: 0 });
    expect(line.takeLeft()).toHaveLength(1_990);
    const gate = { mayTake: () => true, version: 0, isChoosing: true };
    const other = new OpenLine({ ...agent, gate } as never);
    const ours = () => other.ours(() => false).map(({ id }) => id);
    expect(ours()).toEqual(TASKS.slice(1_990).map(({ id }) => id));
    gate.mayTake = () => false;
    gate.version = 1;
    expect(ours()).toEqual([]);
    expect(other.takeLeft()).toEqual([]);
  });
});
