import { join } from 'node:path';
import { expect, test } from 'vitest';
import { draftTask } from '../../../src/asker/task-draft.js';
import { startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { createAgent } from '../../../src/index.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { waitUntil } from '../../support/wait-until.js';
import { askLocally } from '../asker/asker-fixture.js';

test('an agent says that it rests once its answer is pushed and not before, and no more once it ends', async () => {
  const bridge = await bareBridge();
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  await askLocally(bridge, draftTask({ prompt: 'What is 2 + 2?' }, { nowMs: Date.now(), dedup: false }));
  const stop = new AbortController();
  const onMain: Promise<string>[] = [];
  const running = createAgent({
    repo: bridge.gitDir,
    env: bridge.env,
    stateDir: join(bridge.dir, 'state'),
    ollamaUrl: standIn.ollamaUrl,
    restAfterMs: 0,
    onRest: () => onMain.push(bridge.git(['rev-list', '--count', 'main'])),
  }).run(stop.signal);
  await waitUntil(() => onMain.length > 0, 'the agent rests');
  stop.abort();
  await running;
  const rests = onMain.length;
  // The first commit, the task and its answer.
  expect(await onMain[0]).toBe('3');
  expect(onMain).toHaveLength(rests);
});
