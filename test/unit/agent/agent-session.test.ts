import { beforeEach, describe, expect, test } from 'vitest';
import { AgentSession, type Due } from '../../../src/agent/agent-session.js';
import type { FinishedAnswer } from '../../../src/agent/clone/finished-answers.js';
import { UnpushedAnswers } from '../../../src/agent/unpushed-answers.js';
import type { BridgeTerms } from '../../../src/bridge/bridge-terms.js';
import { type AskedTask, readQueue } from '../../../src/protocol/queue.js';
import { anAnswer } from '../../support/message-writer.js';

const TERMS: BridgeTerms = {
  principal: null,
  taskTtlMs: 1,
  maxTaskBytes: 1,
  maxAnswerBytes: 1,
  claimLeaseMs: null,
  hasStreams: false,
  hasSayAhead: false,
  hasFetchAhead: false,
  hasPushAhead: false,
  hasRequests: false,
  hasModels: false,
  isWritable: true,
  hasStandby: false,
  hasWindow: false,
  serverNow: () => 1234,
};
const EMPTY = readQueue([], { nowMs: 0, ttlMs: 0 });

const finished = (taskId: string, blob = 'blob'): FinishedAnswer => ({
  taskId,
  blob,
  answer: anAnswer(taskId, 'question'),
});
const asked = (id: string) => ({ id }) as AskedTask;
const open = (session: AgentSession) => [...session.eachOpen()].map(({ id }) => id);

let session: AgentSession;
beforeEach(() => {
  session = new AgentSession({ id: '1'.repeat(16), name: '', unpushed: new UnpushedAnswers([]) });
});

describe('what to ask the server', () => {
  type Step = (session: AgentSession) => void;
  const reached = (session: AgentSession) => {
    session.asked();
    session.reached('tip');
  };
  test.each<[string, readonly Step[], Due | null]>([
    ['is a fetch at the start', [], 'fetch'],
    ['is nothing once main is here', [reached], null],
    [
      'is a fetch as long as main is not here, also after a question that failed',
      [(s) => s.asked()],
      'fetch',
    ],
    ['is a fetch after a ring that says nothing', [reached, (s) => s.rang()], 'fetch'],
    ['is a fetch after a ring that tells another tip', [reached, (s) => s.rang('other')], 'fetch'],
    ['is nothing after a ring for a push of our own', [reached, (s) => s.rang('tip')], null],
    [
      'is nothing where the push that rang was ours, told later',
      [reached, (s) => s.rang('ours'), (s) => s.reached('ours')],
      null,
    ],
    [
      'is nothing once the server is asked what a ring was about',
      [reached, (s) => s.rang('x'), (s) => s.asked()],
      null,
    ],
    [
      'is a fetch after a ring that says nothing, whatever rings then',
      [reached, (s) => s.rang(), (s) => s.rang('tip')],
      'fetch',
    ],
    ['is a look where one is wanted', [reached, (s) => s.wants('look')], 'look'],
    ['is a fetch where both are wanted', [reached, (s) => s.wants('fetch'), (s) => s.wants('look')], 'fetch'],
    [
      'is a fetch where a look was wanted first',
      [reached, (s) => s.wants('look'), (s) => s.wants('fetch')],
      'fetch',
    ],
    ['is a fetch after new terms', [reached, (s) => s.learnedTerms(TERMS, 'home-pc')], 'fetch'],
    ['is a fetch after the clone was lost', [reached, (s) => s.lostClone()], 'fetch'],
  ])('%s', (_what, steps, due) => {
    for (const step of steps) step(session);
    expect(session.due).toBe(due);
  });

  test.each<readonly [string, readonly Step[], boolean]>([
    ['a ring that tells another tip is news until the server is asked', [(s) => s.rang('other')], true],
    ['so is one that says nothing', [(s) => s.rang()], true],
    ['a ring that the server was asked about is none', [(s) => s.rang(), (s) => s.asked()], false],
    ['a ring for a push of our own is none', [(s) => s.rang('tip')], false],
    ['a look that is due is none', [(s) => s.wants('look')], false],
  ])('%s', (_what, steps, isRung) => {
    for (const step of [reached, ...steps]) step(session);
    expect(session.isRung).toBe(isRung);
  });
});

test('terms that are forgotten leave the name and the time of the server as they were', () => {
  session.learnedTerms(TERMS, 'home-pc');
  expect([session.terms, session.name, session.serverNow()]).toEqual([TERMS, 'home-pc', 1234]);
  session.forgetTerms();
  expect([session.terms, session.name, session.serverNow()]).toEqual([null, 'home-pc', 1234]);
});

test('a task is open while it is pending, until its answer is kept or the server will have none', () => {
  session.queued({ ...EMPTY, pending: ['c', 'a', 'b', 'd'].map(asked) });
  session.unpushed.kept(finished('a'));
  session.settle('d');
  expect(open(session)).toEqual(['c', 'b']);
  expect(['a', 'b', 'x'].map((task) => session.isPending(task))).toEqual([true, true, false]);
  // An answer that nobody waits for is let go of, and its task may be asked again.
  session.unpushed.letGo(['a']);
  expect(open(session)).toEqual(['c', 'a', 'b']);
  session.queued({ ...EMPTY, pending: [asked('d'), asked('e')] });
  expect(open(session)).toEqual(['e']);
});

test('what is pending follows the queue, whether tasks only left it, or it came anew or in another order', () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(asked) as [AskedTask, AskedTask, AskedTask, AskedTask];
  const pendingAfter = (...pending: AskedTask[]) => {
    session.queued({ ...EMPTY, pending });
    return ['a', 'b', 'c', 'd'].filter((id) => session.isPending(id)).join('');
  };
  expect(pendingAfter(a, b, c)).toBe('abc');
  expect(pendingAfter(a, c)).toBe('ac');
  expect(pendingAfter(c, a)).toBe('ac');
  expect(pendingAfter(c, a, d)).toBe('acd');
  expect(pendingAfter(c, b, d)).toBe('bcd');
  expect(pendingAfter(d)).toBe('d');
  expect(pendingAfter()).toBe('');
  expect(pendingAfter(a)).toBe('a');
});

test('terms are old an hour after they were told, and not before they were told at all', () => {
  expect(session.hasOldTerms(1e12)).toBe(false);
  session.learnedTerms(TERMS, 'home-pc', 1000);
  expect(session.hasOldTerms(1000 + 3_600_000)).toBe(false);
  expect(session.hasOldTerms(1001 + 3_600_000)).toBe(true);
  session.learnedTerms(TERMS, 'home-pc', 1001 + 3_600_000);
  expect(session.hasOldTerms(1001 + 3_600_000)).toBe(false);
});
