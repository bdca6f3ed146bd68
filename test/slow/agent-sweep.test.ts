import { expect, test } from 'vitest';
import { sweepAgent } from '../support/sweep-agent.js';

test.each(['orphans', 'fails'] as const)(
  'an agent whose any step %s leaves a state that the next start answers from',
  async (fault) => {
    expect((await sweepAgent(fault)).length).toBeGreaterThan(15);
  },
);
