import { expect, test } from 'vitest';
import { sweepAgent } from '../../support/sweep-agent.js';

test('an agent killed before any step of its work leaves a state that the next start answers from', {
  // Claims are pushed beside the answers, so the steps are not in the same order every time: a sweep may miss one kind of them.
  retry: 1,
  timeout: 480_000,
}, async () => {
  const steps = await sweepAgent('dies');
  // Each of the steps that matter was one of them: before the push, and between the accepted push and forgetting the answer.
  const tried = ['init --bare', 'fetch', 'update-ref -m finished', 'push', 'update-ref -m pushed'];
  for (const step of [...tried, 'update-ref -m published']) {
    expect(
      steps.some((one) => one.includes(` ${step} `)),
      step,
    ).toBe(true);
  }
});
