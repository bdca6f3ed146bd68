import { beforeEach, expect, test } from 'vitest';
import { AgentSession } from '../../../src/agent/agent-session.js';
import type { AgentContext } from '../../../src/agent/open-agent.js';
import { frontOfLine, tasksInLine } from '../../../src/agent/tasks-in-line.js';
import { UnpushedAnswers } from '../../../src/agent/unpushed-answers.js';
import { type AskedTask, readQueue } from '../../../src/protocol/queue.js';

const EMPTY = readQueue([], { nowMs: 0, ttlMs: 0 });
const TASKS = Array.from({ length: 2_000 }, (_, at) => ({ id: `t${at}`, askedAtMs: at }) as AskedTask);

let session: AgentSession;
/** How often a task was looked at. */
let looks = 0;
let agent: AgentContext;

beforeEach(() => {
  session = new AgentSession({ id: '1'.repeat(16), name: '', unpushed: new UnpushedAnswers([]) });
  looks = 0;
  const mayTake = () => {
    looks += 1;
    return true;
  };
  agent = {
    session,
    claims: { leaves: () => false, isLeft: () => false },
    queue: { modelFor: () => null, turnOf: () => ({ priority: 0, source: '' }) },
    gate: { mayTake },
  } as unknown as AgentContext;
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
  const found = [...frontOfLine(agent, (id) => running.includes(id), most).keys()];
  return found;
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
  const line = tasksInLine(agent, (id) => id === 't1950');
  expect(line.map(({ waitedMs, isFree }) => [Math.round(session.serverNow() - waitedMs), isFree])).toEqual([
    [1900, true],
    [1950, false],
  ]);
});

test('a cancel that comes for the last task leaves the line empty', () => {
  cancelAllBut('t7');
  cancelAllBut();
  expect([...session.eachUncancelled()]).toEqual([]);
  expect(session.isPending('t7')).toBe(true);
});
