import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeBlob } from '../../../src/git/commit-file.js';
import { fetchMain, listRemoteRefs, REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { resolveRef } from '../../../src/git/refs.js';
import { gitOk } from '../../support/git.js';
import { runProcess } from '../../support/run-process.js';
import { bridgeAndClone, commitOn, tip } from './remote-fixture.js';

test('main is fetched and nothing else', async () => {
  const { bridge, clone, url } = await bridgeAndClone();
  await bridge.git(['update-ref', 'refs/heads/other', 'main']);
  await bridge.git(['tag', 'v1', 'main']);
  expect(await fetchMain(clone, url)).toBe('fetched');
  expect(await gitOk(['for-each-ref', '--format=%(refname)'], { gitDir: clone.gitDir })).toBe(
    `${REMOTE_MAIN_REF}\n`,
  );
  expect(await fetchMain(clone, url)).toBe('fetched');
});

test('no commit as young as asked is told, and the tip alone can be fetched then', async () => {
  const { clone, url } = await bridgeAndClone({ rootDate: '@1000000000 +0000' });
  expect(await fetchMain(clone, url, { sinceMs: Date.now() - 1000 })).toBe('nothing-since');
  expect(await resolveRef(clone, REMOTE_MAIN_REF)).toBeNull();
  expect(await fetchMain(clone, url, { depth: 1 })).toBe('fetched');
});

test.each([Number.NEGATIVE_INFINITY, -1e12, 0])(
  'a start before all time (%f) fetches all',
  async (sinceMs) => {
    const { clone, url } = await bridgeAndClone({ rootDate: '@1000000000 +0000' });
    expect(await fetchMain(clone, url, { sinceMs })).toBe('fetched');
  },
);

describe('the refs of the other side', () => {
  test('are main alone, or claims, presences and models too, and nothing by a longer name', async () => {
    const { bridge, clone, url } = await bridgeAndClone();
    const main = await tip(bridge);
    const blob = await writeBlob(bridge, Buffer.from('1'));
    const claim = `refs/bridge/claims/${'a'.repeat(40)}`;
    const agent = 'refs/bridge/agents/home-pc';
    const models = 'refs/bridge/models/home-pc';
    for (const ref of [claim, agent, models, `${agent}s/more`]) await bridge.git(['update-ref', ref, blob]);
    await bridge.git(['update-ref', 'refs/heads/refs/heads/main', main]);
    await bridge.git(['tag', '-a', '-m', 'x', 'main', 'main']);

    expect([...(await listRemoteRefs(clone, url, false))]).toEqual([['refs/heads/main', main]]);
    expect([...(await listRemoteRefs(clone, url, true))].sort()).toEqual([
      [agent, blob],
      [claim, blob],
      [models, blob],
      ['refs/heads/main', main],
    ]);
  });

  test('are none where there are none, and an error where there is no repository', async () => {
    const { bridge, clone, url } = await bridgeAndClone();
    await bridge.git(['update-ref', '-d', 'refs/heads/main']);
    expect((await listRemoteRefs(clone, url, true)).size).toBe(0);
    await expect(listRemoteRefs(clone, join(bridge.dir, 'nope'), true)).rejects.toMatchObject({
      code: 'no-such-repository',
      retryable: false,
    });
  });

  test('are told and nothing is changed in the clone, not even a lock is taken', async () => {
    const { clone, url } = await bridgeAndClone();
    const state = () => runProcess('find', [clone.gitDir, '-printf', '%p %T@\n'], { env: clone.env });
    const before = await state();
    await listRemoteRefs(clone, url, true);
    expect(await state()).toEqual(before);
  });
});

test('history is fetched as deep as asked, and deepened', async () => {
  const { bridge, clone, url } = await bridgeAndClone();
  for (const text of ['1', '2', '3'])
    await bridge.git(['update-ref', 'refs/heads/main', await commitOn(bridge, await tip(bridge), text)]);
  const count = async () =>
    Number(await gitOk(['rev-list', '--count', REMOTE_MAIN_REF], { gitDir: clone.gitDir }));
  await fetchMain(clone, url, { depth: 1 });
  expect(await count()).toBe(1);
  await fetchMain(clone, url, { deepen: 1 });
  expect(await count()).toBe(2);
  await bridge.git(['update-ref', 'refs/heads/main', await commitOn(bridge, await tip(bridge), '4')]);
  await fetchMain(clone, url);
  expect(await count()).toBe(3);
});

test.each([{}, { 'fetch.showForcedUpdates': 'false' }, { 'fetch.output': 'compact' }])(
  'a main that was rewritten is told and not taken, with the settings %j',
  async (settings) => {
    const { bridge, clone, url } = await bridgeAndClone();
    for (const [key, value] of Object.entries(settings))
      await gitOk(['config', key, value], { gitDir: clone.gitDir });
    const root = await tip(bridge);
    const first = await commitOn(bridge, root, 'first');
    await bridge.git(['update-ref', 'refs/heads/main', first]);
    await fetchMain(clone, url);
    await bridge.git(['update-ref', 'refs/heads/main', await commitOn(bridge, root, 'other')]);
    expect(await fetchMain(clone, url)).toBe('rewound');
    await bridge.git(['update-ref', 'refs/heads/main', root]);
    expect(await fetchMain(clone, url)).toBe('rewound');
    expect(await resolveRef(clone, REMOTE_MAIN_REF)).toBe(first);
  },
);

test('a path that is no repository, and one without main, are told apart', async () => {
  const { bridge, clone, url } = await bridgeAndClone();
  await expect(fetchMain(clone, join(bridge.dir, 'nope'))).rejects.toMatchObject({
    code: 'no-such-repository',
  });
  await bridge.git(['update-ref', '-d', 'refs/heads/main']);
  await expect(fetchMain(clone, url)).rejects.toMatchObject({ code: 'no-main', retryable: false });
});
