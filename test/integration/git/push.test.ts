import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeBlob } from '../../../src/git/commit-file.js';
import { fetchMain, REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { pushCommit, pushSideRefs } from '../../../src/git/push.js';
import { resolveRef } from '../../../src/git/refs.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { runProcess } from '../../support/run-process.js';
import { bridgeAndClone, commitOn, hook, tip } from './remote-fixture.js';

test('a commit is pushed, and pushing it again changes nothing', async () => {
  const { bridge, clone, url, to } = await bridgeAndClone();
  await fetchMain(clone, url);
  const commit = await commitOn(clone, await tip(bridge), 'x');
  expect(await pushCommit(to, commit)).toEqual({ status: 'pushed' });
  expect(await tip(bridge)).toBe(commit);
  expect(await pushCommit(to, commit)).toEqual({ status: 'pushed' });
});

test('push options that the user has set stay here, because a server without them refuses every push', async () => {
  const { bridge, clone, url, to } = await bridgeAndClone();
  await bridge.git(['config', 'receive.advertisePushOptions', 'false']);
  await fetchMain(clone, url);
  await gitOk(['config', 'push.pushOption', 'ci.skip'], clone);
  const commit = await commitOn(clone, await tip(bridge), 'x');
  expect(await pushCommit(to, commit)).toEqual({ status: 'pushed' });
  expect(await tip(bridge)).toBe(commit);
});

test('who pushes on top of what main no longer is has raced', async () => {
  const { bridge, clone, url, to } = await bridgeAndClone();
  await fetchMain(clone, url);
  const root = await tip(bridge);
  const theirs = await commitOn(bridge, root, 'theirs');
  await bridge.git(['update-ref', 'refs/heads/main', theirs]);
  const mine = await commitOn(clone, root, 'mine');
  expect(await pushCommit(to, mine)).toEqual({ status: 'raced' });
  await fetchMain(clone, url);
  expect(await pushCommit(to, mine)).toEqual({ status: 'raced' });
  expect(await tip(bridge)).toBe(theirs);
});

test('who loses main while the hook judges has raced', async () => {
  const { bridge, clone, url, to } = await bridgeAndClone();
  await fetchMain(clone, url);
  const theirs = await commitOn(bridge, await tip(bridge), 'theirs');
  // git forbids ref updates in quarantine, so the other asker is one without it.
  await hook(bridge, `env -i PATH="$PATH" git --git-dir "$PWD" update-ref refs/heads/main ${theirs}`);
  expect(await pushCommit(to, await commitOn(clone, `${await tip(bridge)}`, 'mine'))).toEqual({
    status: 'raced',
  });
  expect(await tip(bridge)).toBe(theirs);
});

test('a refusal of the hook is a value; a stale one is a race', async () => {
  const { bridge, clone, url, to } = await bridgeAndClone();
  await fetchMain(clone, url);
  const commit = await commitOn(clone, await tip(bridge), 'x');
  await hook(bridge, 'echo "llm-bridge refused [answered]: task 1 has its answer; try: nothing" >&2; exit 1');
  expect(await pushCommit(to, commit)).toEqual({
    status: 'refused',
    refusal: { code: 'answered', text: 'task 1 has its answer', remedy: 'nothing' },
  });
  await hook(bridge, 'echo "llm-bridge refused [stale]: main has moved; try: fetch" >&2; exit 1');
  expect(await pushCommit(to, commit)).toEqual({ status: 'raced' });
});

describe('refs beside main', () => {
  const CLAIM = `refs/bridge/claims/${'a'.repeat(40)}`;
  const there = async (bridge: { git: (args: readonly string[]) => Promise<string> }, ref: string) =>
    bridge.git(['for-each-ref', '--format=%(objectname)', ref]);

  test('each is made, changed and removed by what it was, whatever becomes of the others', async () => {
    const { bridge, clone, to } = await bridgeAndClone();
    const [one, two] = await Promise.all(['1', '2'].map((text) => writeBlob(clone, Buffer.from(text))));
    if (one === undefined || two === undefined) throw new Error('no blobs');
    const other = `refs/bridge/claims/${'b'.repeat(40)}`;
    const push = (changes: Parameters<typeof pushSideRefs>[1]) => pushSideRefs(to, changes);
    const pushed = (...refs: string[]) => ({ status: 'pushed', refs: new Set(refs) });
    expect(await push([{ ref: CLAIM, to: one, from: null }])).toEqual(pushed(CLAIM));
    expect(
      await push([
        { ref: CLAIM, to: two, from: null },
        { ref: other, to: two, from: null },
      ]),
    ).toEqual(pushed(other));
    expect(await there(bridge, CLAIM)).toBe(one);
    expect(await push([{ ref: CLAIM, to: two, from: one }])).toEqual(pushed(CLAIM));
    expect(await push([{ ref: CLAIM, to: null, from: one }])).toEqual(pushed());
    expect(await push([{ ref: CLAIM, to: null, from: two }])).toEqual(pushed(CLAIM));
    expect(await there(bridge, CLAIM)).toBe('');
    await hook(bridge, 'echo "llm-bridge refused [claimed]: held; try: wait" >&2; exit 1');
    expect(await push([{ ref: CLAIM, to: two, from: null }])).toMatchObject({
      status: 'refused',
      refusal: { code: 'claimed' },
    });
  });

  test('what is not pushed sends no object along, because a server refuses one that belongs to no ref', async () => {
    const { bridge, clone, url, to } = await bridgeAndClone();
    const [taken, mine, word] = await Promise.all(
      ['1', '2', '3'].map((text) => writeBlob(clone, Buffer.from(text))),
    );
    await pushSideRefs(to, [{ ref: CLAIM, to: taken ?? '', from: null }]);
    const presence = 'refs/bridge/agents/home-pc';
    const changes = [
      { ref: presence, to: word ?? '', from: null },
      { ref: CLAIM, to: mine ?? '', from: null },
    ];
    expect(await pushSideRefs({ ...to, url }, changes)).toEqual({
      status: 'pushed',
      refs: new Set([presence]),
    });
    await expect(bridge.git(['cat-file', '-e', word ?? ''])).resolves.toBe('');
    await expect(bridge.git(['cat-file', '-e', mine ?? ''])).rejects.toThrow();
  });

  test('several go in one push, as one transaction where the server knows those, so that who sees one sees all', async () => {
    const { bridge, clone, to } = await bridgeAndClone();
    const blob = (text: string) => writeBlob(clone, Buffer.from(text));
    const [mine, word] = [await blob('a claim'), await blob('a word')];
    const [renewed, next] = [await blob('another claim'), await blob('another word')];
    const presence = 'refs/bridge/agents/home-pc';
    const judged = join(bridge.dir, 'judged');
    await hook(bridge, `cat >>'${judged}'; echo . >>'${judged}'`);
    const lines = async () => {
      const text = await readFile(judged, 'utf8');
      await rm(judged);
      return text.split('\n').map((line) => line.split(' ').at(-1));
    };
    const push = async (word: string, was: string | null, claim: string, wasClaim: string | null) =>
      pushSideRefs(to, [
        { ref: presence, to: word, from: was },
        { ref: CLAIM, to: claim, from: wasClaim },
      ]);
    const both = { status: 'pushed', refs: new Set([presence, CLAIM]) };

    expect(await push(word, null, mine, null)).toEqual(both);
    expect(await lines()).toEqual([presence, CLAIM, '.', '']);
    // Neither moves where the server cannot write the other; then each is pushed by itself.
    const lock = join(bridge.gitDir, `${CLAIM}.lock`);
    await writeFile(lock, '');
    expect(await push(next, word, renewed, mine)).toEqual({ status: 'pushed', refs: new Set([presence]) });
    await rm(lock);
    await rm(judged);
    await bridge.git(['config', 'receive.advertiseAtomic', 'false']);
    expect(await push(word, next, renewed, mine)).toEqual(both);
    expect((await lines()).filter((line) => line === '.')).toHaveLength(2);
  });

  test('are fetched where that is asked for, and what is gone there goes', async () => {
    const { bridge, clone, url, to } = await bridgeAndClone();
    const blob = await writeBlob(clone, Buffer.from('1'));
    await pushSideRefs(to, [{ ref: CLAIM, to: blob, from: null }]);
    const mine = CLAIM.replace('refs/', 'refs/remotes/');
    await fetchMain(clone, url);
    expect(await resolveRef(clone, mine)).toBeNull();
    await fetchMain(clone, url, { sideRefs: true });
    expect(await resolveRef(clone, mine)).toBe(blob);
    await pushSideRefs(to, [{ ref: CLAIM, to: null, from: blob }]);
    await fetchMain(clone, url, { sideRefs: true });
    expect(await resolveRef(clone, mine)).toBeNull();
    expect(await resolveRef(clone, REMOTE_MAIN_REF)).toBe(await tip(bridge));
  });

  test('go with main or not at all, and it is told whose fault it was', async () => {
    const { bridge, clone, url, to } = await bridgeAndClone();
    await fetchMain(clone, url);
    const root = await tip(bridge);
    const blob = await writeBlob(clone, Buffer.from('1'));
    await pushSideRefs(to, [{ ref: CLAIM, to: blob, from: null }]);
    const commit = await commitOn(clone, root, 'x');
    const push = (id: string) => pushCommit(to, commit, [{ ref: CLAIM, id }]);
    const lock = async (ref: string) => {
      const file = join(bridge.gitDir, `${ref}.lock`);
      await writeFile(file, '');
      const outcome = await push(blob);
      await rm(file);
      return outcome;
    };

    expect(await push('e'.repeat(40))).toEqual({ status: 'not-with-those' });
    expect(await lock(CLAIM)).toEqual({ status: 'not-with-those' });
    expect(await lock('refs/heads/main')).toEqual({ status: 'raced' });
    expect([await tip(bridge), await there(bridge, CLAIM)]).toEqual([root, blob]);
    expect(await push(blob)).toEqual({ status: 'pushed' });
    expect([await tip(bridge), await there(bridge, CLAIM)]).toEqual([commit, '']);
    const behind = pushCommit(to, await commitOn(clone, root, 'y'), [{ ref: CLAIM, id: blob }]);
    expect(await behind).toMatchObject({ status: expect.stringMatching(/raced|not-with-those/) });
    expect(await tip(bridge)).toBe(commit);
  });
});

test('a hook that says nothing we know is an error, and git goes on to be asked', async () => {
  const { bridge, clone, url, to } = await bridgeAndClone();
  await fetchMain(clone, url);
  await hook(bridge, 'echo boom >&2; exit 1');
  const commit = await commitOn(clone, await tip(bridge), 'x');
  await expect(pushCommit(to, commit)).rejects.toMatchObject({
    code: 'rejected',
    retryable: true,
    message: expect.stringContaining('pre-receive hook declined'),
  });
});

test('a server whose disk is full when main is to move is told as that, and is no lost race', async ({
  skip,
}) => {
  const { bridge, clone, url } = await bridgeAndClone();
  await fetchMain(clone, url);
  const mounted = join(bridge.dir, 'small');
  await mkdir(mounted);
  const mount = await runProcess('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mounted], {
    env: process.env,
  });
  // Only root can make a disk small enough to fill.
  if (mount.exitCode !== 0) return skip();
  onCleanup(async () => void (await runProcess('umount', [mounted], { env: process.env })));
  const small = join(mounted, 'bridge.git');
  await gitOk(['clone', '--bare', '--quiet', '--template=', bridge.gitDir, small], { env: clone.env });
  await mkdir(join(small, 'hooks'), { recursive: true });
  // The objects are in by then; what fails is the lock of the ref.
  await writeFile(
    join(small, 'hooks', 'pre-receive'),
    '#!/bin/sh\ncat /dev/zero >fill 2>/dev/null\nexit 0\n',
    {
      mode: 0o755,
    },
  );
  const commit = await commitOn(clone, await tip(bridge), 'x');
  await expect(pushCommit({ repo: clone, url: small }, commit)).rejects.toMatchObject({
    code: 'disk-full',
    retryable: true,
  });
});
