import { expect, test } from 'vitest';
import { openBridgeView } from '../../../src/bridge/open-bridge-view.js';
import { BridgeFeed } from '../../../src/gateway/bridge-feed.js';
import { writeBlob, writeFileCommit } from '../../../src/git/commit-file.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { resolveRef, updateRefs } from '../../../src/git/refs.js';
import { MAIN_REF } from '../../../src/protocol/names.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { waitUntil } from '../../support/wait-until.js';

/** A feed of a bridge, and the ids of the commits that it tells. */
async function follow(bridge: BareBridge): Promise<{ feed: BridgeFeed; told: string[] }> {
  const told: string[] = [];
  const view = await openBridgeView({ repo: bridge.gitDir, env: bridge.env }, 'window');
  const feed = await BridgeFeed.open(view, {
    onCommits: async (commits) => void told.push(...commits.map(({ id }) => id)),
    onSideRefs: () => {},
    onProblem: () => {},
  });
  onCleanup(async () => {
    await feed.close();
    await view.close();
  });
  feed.follow();
  return { feed, told };
}

/** A commit on top of main that is not on main yet, and what moves main to it. */
async function commit(bridge: BareBridge): Promise<{ from: string; to: string; move(): Promise<unknown> }> {
  const reader = openObjectReader(bridge);
  try {
    const from = (await resolveRef(bridge, MAIN_REF)) ?? '';
    const to = await writeFileCommit(bridge, reader, {
      ...{ parent: from, file: 'task.json', blob: await writeBlob(bridge, Buffer.from('{}')) },
      ...{ message: 'ask: x', by: { name: 'bot', atMs: Date.now() } },
    });
    const env = { ...bridge.env, GIT_COMMITTER_NAME: 'bot', GIT_COMMITTER_EMAIL: 'x@y.invalid' };
    return { from, to, move: () => updateRefs({ ...bridge, env }, [{ ref: MAIN_REF, to, from }], 'ask') };
  } finally {
    reader.close();
  }
}

test('the ring of an own push brings no news, and the next one all that came behind it', async () => {
  const bridge = await bareBridge();
  const { feed, told } = await follow(bridge);
  const witness = await follow(bridge);
  const own = await commit(bridge);

  await feed.pushing(own.to, async () => {
    await own.move();
    await waitUntil(() => witness.told.includes(own.to), 'somebody else has heard the ring');
    await feed.moved(own.from, own.to);
  });
  expect(told).toEqual([]);

  const other = await commit(bridge);
  await other.move();
  await waitUntil(() => told.length > 0, 'the news');
  expect(told).toEqual([other.to]);
});

test('a push whose reply is lost is news, because it may have arrived', async () => {
  const bridge = await bareBridge();
  const { feed, told } = await follow(bridge);
  const witness = await follow(bridge);
  const own = await commit(bridge);

  const push = feed.pushing(own.to, async () => {
    await own.move();
    await waitUntil(() => witness.told.includes(own.to), 'somebody else has heard the ring');
    throw new Error('the connection broke');
  });
  await expect(push).rejects.toThrow('broke');
  await waitUntil(() => told.length > 0, 'the news');
  expect(told).toEqual([own.to]);
});
