import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeBlob } from '../../../src/git/commit-file.js';
import { fetchMain, listRemoteRefs, REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { checkSoundness } from '../../../src/git/porcelain.js';
import { pushCommit } from '../../../src/git/push.js';
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

test.each([
  ['waits for the disk where a ref moves, and not for what can be fetched again', {}, {}, [1]],
  ['waits for no disk where no answer is kept', {}, { unsynced: true }, []],
  ['waits for no disk in a clone that nobody misses', { isDisposable: true }, {}, []],
] as const)('%s', async (_what, kind, depth, flushed) => {
  const { clone, url } = await bridgeAndClone();
  await gitOk(['config', 'core.fsync', 'all'], { gitDir: clone.gitDir });
  const trace = join(clone.gitDir, 'trace');
  const traced = { ...clone, ...kind, env: { ...clone.env, GIT_TRACE2_EVENT: trace } };
  expect(await fetchMain(traced, url, depth)).toBe('fetched');
  const flushes = (await readFile(trace, 'utf8'))
    .split('\n')
    .filter((line) => line.includes('"fsync/hardware-flush"'))
    .map((line) => JSON.parse(line) as { sid: string; value: string });
  // A child of git, as the one that takes in the pack is, has the number of its parent in front of its own.
  expect(flushes.filter(({ sid }) => sid.includes('/'))).toEqual([]);
  expect(flushes.map(({ value }) => Number(value))).toEqual(flushed);
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

describe('a clone that leaves out large files', () => {
  const LARGE = randomBytes(1_000_000).toString('base64');
  const LIMIT = 65_536;
  /** A bridge whose last task is large, and a clone that leaves such files out. */
  const withLarge = async (isAllowed: boolean) => {
    const made = await bridgeAndClone();
    const { bridge } = made;
    await bridge.git(['config', 'uploadpack.allowFilter', String(isAllowed)]);
    await bridge.git(['config', 'uploadpackfilter.allow', 'false']);
    await bridge.git(['config', 'uploadpackfilter.blob:limit.allow', 'true']);
    // As the server does: no object is served by its id.
    const clone = {
      ...made.clone,
      env: { ...made.clone.env, GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'protocol.version' },
      leavesOutBytes: LIMIT,
    };
    Object.assign(clone.env, { GIT_CONFIG_VALUE_0: '0' });
    const add = async (text: string) =>
      bridge.git(['update-ref', 'refs/heads/main', await commitOn(bridge, await tip(bridge), text)]);
    await add(LARGE);
    const sizeOf = async (name: string) =>
      (await runProcess('git', ['--git-dir', clone.gitDir, 'cat-file', '-s', name], { env: bridge.env }))
        .stdout;
    const bytes = async () => {
      const said = await gitOk(['count-objects', '-v'], { gitDir: clone.gitDir });
      return 1024 * Number(/^size-pack: ([0-9]+)$/m.exec(said)?.[1]);
    };
    return { ...made, clone, add, sizeOf, bytes };
  };

  test('gets all but those, builds on them, and is sound; nothing stands in its config', async () => {
    const { bridge, clone, url, add, sizeOf, bytes } = await withLarge(true);
    const config = await readFile(join(clone.gitDir, 'config'), 'utf8');
    expect(await fetchMain(clone, url, { depth: 1 })).toBe('fetched');
    expect(await sizeOf(`${REMOTE_MAIN_REF}:task.txt`)).toBe('');

    const asked = await commitOn(clone, await tip(bridge), '2+2');
    expect(await pushCommit({ repo: clone, url }, asked)).toEqual({ status: 'pushed' });
    await add('a question of somebody else');
    await add(LARGE.slice(1));
    await add('x'.repeat(LIMIT));
    expect(await fetchMain(clone, url)).toBe('fetched');
    expect(await resolveRef(clone, REMOTE_MAIN_REF)).toBe(await tip(bridge));
    expect(await sizeOf(`${REMOTE_MAIN_REF}:task.txt`)).toBe(`${LIMIT}\n`);
    expect(await sizeOf(`${REMOTE_MAIN_REF}~1:task.txt`)).toBe('');
    expect(await sizeOf(`${REMOTE_MAIN_REF}~2:task.txt`)).toBe('27\n');
    expect(await fetchMain(clone, url, { sinceMs: 0 })).toBe('fetched');
    expect(await bytes()).toBeLessThan(50_000);
    const { signal } = new AbortController();
    expect(await checkSoundness(clone, REMOTE_MAIN_REF, signal)).toEqual({ status: 'sound' });
    expect(await readFile(join(clone.gitDir, 'config'), 'utf8')).toBe(config);
  });

  test('gets a small file whole that would build on one that was left out', async () => {
    const { clone, url, add, sizeOf, bytes } = await withLarge(true);
    const first = randomBytes(60_000).toString('base64');
    await add(first);
    expect(await fetchMain(clone, url, { depth: 1 })).toBe('fetched');
    await add(first.slice(0, 60_000));
    expect(await fetchMain(clone, url)).toBe('fetched');
    expect(await sizeOf(`${REMOTE_MAIN_REF}:task.txt`)).toBe('60000\n');
    expect(await bytes()).toBeLessThan(100_000);
  });

  test('gets all of them from a server that leaves nothing out', async () => {
    const { bridge, clone, url, add, sizeOf } = await withLarge(false);
    expect(await fetchMain(clone, url, { depth: 1 })).toBe('fetched');
    expect(await sizeOf(`${REMOTE_MAIN_REF}:task.txt`)).toBe(`${LARGE.length}\n`);
    const asked = await commitOn(clone, await tip(bridge), '2+2');
    expect(await pushCommit({ repo: clone, url }, asked)).toEqual({ status: 'pushed' });
    await add('more');
    expect(await fetchMain(clone, url)).toBe('fetched');
    expect(await sizeOf(`${REMOTE_MAIN_REF}:task.txt`)).toBe('4\n');
  });
});

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
