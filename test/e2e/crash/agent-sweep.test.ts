import { expect, test } from 'vitest';
import { sweepAgent } from '../../support/sweep-agent.js';

test('an agent killed before any step of its work leaves a state that the next start answers from', async () => {
  // The steps that matter are among them: before the push, and between the accepted push and forgetting the
  // answer.
  const tried = [
    / init --bare /,
    / fetch /,
    /^rename .*\/refs\/bridge\/finished\//,
    / push .*:refs\/heads\/main/,
    / update-ref -m pushed /,
    / update-ref -m published /,
  ];
  const always = new RegExp(tried.map(({ source }) => source).join('|'));
  const steps = await sweepAgent('dies', { always });
  for (const step of tried) {
    expect(
      steps.some((one) => step.test(one)),
      String(step),
    ).toBe(true);
  }
}, 480_000);

test('an agent whose git is killed while it starts tries again', async () => {
  const steps = await sweepAgent('kills', { steps: /^git (?:--version|init .*)(?: \(|$)/ });
  expect(steps).toEqual([expect.stringMatching(/^git --version/), expect.stringMatching(/^git init /)]);
}, 120_000);

test('an agent killed before it pushes a claim, or an answer under a claim, leaves a state that the next start answers from', async () => {
  const steps = await sweepAgent('dies', {
    steps: / push /,
    always: /:refs\/(?:bridge\/claims\/\S+|heads\/main)(?: |$)/,
    onceClaimed: true,
  });
  for (const pushed of [/ \S+:refs\/bridge\/claims\/\S+$/, / \S+:refs\/heads\/main(?: |$)/]) {
    expect(
      steps.some((one) => pushed.test(one)),
      String(pushed),
    ).toBe(true);
  }
}, 120_000);
