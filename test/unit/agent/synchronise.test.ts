import { expect, test } from 'vitest';
import { AgentSession } from '../../../src/agent/agent-session.js';
import type { FinishedAnswer } from '../../../src/agent/clone/finished-answers.js';
import type { AgentContext } from '../../../src/agent/open-agent.js';
import { synchronise } from '../../../src/agent/synchronise.js';
import { MAX_BATCH, UnpushedAnswers } from '../../../src/agent/unpushed-answers.js';
import type { BridgeTerms } from '../../../src/bridge/bridge-terms.js';
import { readQueue } from '../../../src/protocol/queue.js';

/** An agent that has asked the server just now. What `queue.read` does decides how the turn ends. */
function agentWith(unpushed: UnpushedAnswers, read: () => Promise<unknown>): AgentContext {
  const session = new AgentSession({ id: '1'.repeat(16), name: '', unpushed });
  session.learnedTerms({ taskTtlMs: 1, serverNow: () => 0 } as BridgeTerms, 'home-pc');
  session.asked();
  session.reached('tip');
  return {
    session,
    queue: { read },
    claims: { isActive: () => false },
    clock: { jumped: () => false },
    connection: { address: { url: '/bridge.git' } },
    options: { log: () => {} },
  } as unknown as AgentContext;
}

test('a turn that fails lets the models go on, however many answers wait', async () => {
  const two = Array.from({ length: 2 * MAX_BATCH }, (_, at) => ({ taskId: `${at}` }) as FinishedAnswer);
  const unpushed = new UnpushedAnswers(two);
  unpushed.pushed();
  const wasBehind: boolean[] = [unpushed.isBehind];
  const agent = agentWith(unpushed, () => Promise.reject(new Error('the server is away')));

  const { signal } = new AbortController();
  await expect(synchronise(agent, signal, () => wasBehind.push(unpushed.isBehind))).rejects.toThrow('away');

  expect(wasBehind).toEqual([true, false]);
});

test('tasks are started each time the queue was read, before the next push', async () => {
  const steps: string[] = [];
  const agent = agentWith(new UnpushedAnswers([]), async () => {
    steps.push('read');
    return readQueue([], { nowMs: 0, ttlMs: 0 });
  });

  await synchronise(agent, new AbortController().signal, () => steps.push('refill'));

  expect(steps).toEqual(['read', 'refill']);
});
