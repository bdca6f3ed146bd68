import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LogFields } from '../../../src/agent/agent-options.js';
import { draftTask } from '../../../src/asker/task-draft.js';
import { startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { createAgent } from '../../../src/index.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { askLocally } from '../asker/asker-fixture.js';

test('each line of an agent of several bridges names its bridge, and names it once', async () => {
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const bridges = [await bareBridge(), await bareBridge()] as const;
  await askLocally(bridges[0], draftTask({ prompt: '2+2' }, { nowMs: Date.now(), dedup: false }));
  const urls = bridges.map(({ gitDir }) => gitDir);
  const lines: { readonly text: string; readonly fields: LogFields | undefined }[] = [];
  await createAgent({
    repo: urls.map((repo) => ({ repo })),
    env: bridges[0].env,
    stateDir: join(bridges[0].dir, 'state'),
    ollamaUrl: standIn.ollamaUrl,
    once: true,
    log: (_level, text, fields) => lines.push({ text, fields }),
  }).run();
  const named = lines.map(({ text }) => urls.map((url) => text.split(url).length - 1));
  expect(named).not.toEqual([]);
  for (const [at, counts] of named.entries()) expect([...counts].sort(), lines[at]?.text).toEqual([0, 1]);
  const connected = lines.filter(({ fields }) => fields?.event === 'connected');
  const who = new RegExp(`^connected to (${urls.join('|')}) as `);
  expect(connected.map(({ text }) => who.exec(text)?.[1]).sort()).toEqual([...urls].sort());
  const answered = lines.find(({ fields }) => fields?.event === 'task-answered');
  expect(answered?.text).toMatch(new RegExp(`^${urls[0]}: `));
  expect(answered?.fields).toMatchObject({ repo: urls[0] });
});
