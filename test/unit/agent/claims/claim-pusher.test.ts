import { expect, test } from 'vitest';
import type { Offer } from '../../../../src/agent/backends/model-offer.js';
import { type ClaimPushContext, ClaimPusher } from '../../../../src/agent/claims/claim-pusher.js';
import { freePort } from '../../../../src/demo/free-port.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { waitUntil } from '../../../support/wait-until.js';
import { settingsFor, standInFor } from '../generate-fixture.js';

test('a model server that starts after its agent is known soon, without a task that asks for it', async () => {
  const port = await freePort();
  const at = `http://127.0.0.1:${port}`;
  const urls = { ollamaUrl: at, lmstudioUrl: `${at}/v1`, openaiUrl: `${at}/openai` };
  const generate = settingsFor(urls, { order: ['ollama'] });
  const stop = new AbortController();
  onCleanup(() => stop.abort());
  const offers: { models: string[]; isNew: boolean }[] = [];
  const take = ({ models }: Offer, isNew: boolean) =>
    offers.push({ models: models.map(({ name }) => name), isNew });
  // Of its context, what a push needs is not needed here.
  const context = { options: { generate } } as unknown as ClaimPushContext;
  const pusher = new ClaimPusher(context, stop.signal, take);
  await pusher.refreshOffer();
  expect(offers).toEqual([{ models: [], isNew: true }]);
  await standInFor({ port });
  await waitUntil(() => offers.some(({ models }) => models.length > 0), 'the models');
  expect(offers.at(-1)).toEqual({ models: ['llama3.2:latest'], isNew: true });
  // Each of those before said the same: nothing that others need to hear.
  expect(offers.slice(1, -1).filter(({ isNew }) => isNew)).toEqual([]);
});
