import { expect, test } from 'vitest';
import { sweepAgent } from '../support/sweep-agent.js';

test('an agent of whose programs any is killed tries again, and answers', async () => {
  expect((await sweepAgent('kills', { steps: /^git / })).length).toBeGreaterThan(6);
});

test.each(['orphans', 'fails'] as const)(
  'an agent whose any step %s leaves a state that the next start answers from',
  async (fault) => {
    expect((await sweepAgent(fault)).length).toBeGreaterThan(15);
  },
);
