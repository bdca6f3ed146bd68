import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeBlob, writeFileCommit } from '../../../src/git/commit-file.js';
import { clientGitEnv } from '../../../src/git/git-env.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { resolveRef } from '../../../src/git/refs.js';
import type { Repository } from '../../../src/git/run-git.js';
import { runRemoteGit } from '../../../src/git/run-remote-git.js';
import {
  fetchMain,
  listRemoteRefs,
  pushCommit,
  pushSideRefs,
  REMOTE_MAIN_REF,
} from '../../../src/git/transport.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { runProcess } from '../../support/run-process.js';
import { waitUntil } from '../../support/wait-until.js';

interface Place {
  readonly bridge: BareBridge;
  readonly clone: Repository;
  readonly url: string;
}

async function bridgeAndClone(options: { rootDate?: string } = {}): Promise<Place> {
  const bridge = await bareBridge(options);
  const clone = { gitDir: join(bridge.dir, 'clone.git'), env: clientGitEnv(bridge.env) };
  await gitOk(['init', '--bare', '--quiet', '--template=', clone.gitDir], { env: clone.env });
  return { bridge, clone, url: bridge.gitDir };
}

/** A commit in `repo` on top of `parent` that says `text`. */
async function commitOn(repo: Repository, parent: string, text: string, atMs = Date.now()): Promise<string> {
  const reader = openObjectReader(repo);
  try {
    const blob = await writeBlob(repo, Buffer.from(text));
    const by = { name: 'bot', atMs };
    return await writeFileCommit(repo, reader, { parent, file: 'task.txt', blob, message: `${text}\n`, by });
  } finally {
    reader.close();
  }
}

async function tip(bridge: BareBridge): Promise<string> {
  return bridge.git(['rev-parse', 'refs/heads/main']);
}

async function hook(bridge: BareBridge, script: string): Promise<void> {
  const file = join(bridge.gitDir, 'hooks', 'pre-receive');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

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
  test('are main alone, or claims and presences too, and nothing by a longer name', async () => {
    const { bridge, clone, url } = await bridgeAndClone();
    const main = await tip(bridge);
    const blob = await writeBlob(bridge, Buffer.from('1'));
    const claim = `refs/bridge/claims/${'a'.repeat(40)}`;
    const agent = 'refs/bridge/agents/home-pc';
    for (const ref of [claim, agent, `${agent}s/more`]) await bridge.git(['update-ref', ref, blob]);
    await bridge.git(['update-ref', 'refs/heads/refs/heads/main', main]);
    await bridge.git(['tag', '-a', '-m', 'x', 'main', 'main']);

    expect([...(await listRemoteRefs(clone, url, false))]).toEqual([['refs/heads/main', main]]);
    expect([...(await listRemoteRefs(clone, url, true))].sort()).toEqual([
      [agent, blob],
      [claim, blob],
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

test('a commit is pushed, and pushing it again changes nothing', async () => {
  const { bridge, clone, url } = await bridgeAndClone();
  await fetchMain(clone, url);
  const commit = await commitOn(clone, await tip(bridge), 'x');
  expect(await pushCommit(clone, url, commit)).toEqual({ status: 'pushed' });
  expect(await tip(bridge)).toBe(commit);
  expect(await pushCommit(clone, url, commit)).toEqual({ status: 'pushed' });
});

test('who pushes on top of what main no longer is has raced', async () => {
  const { bridge, clone, url } = await bridgeAndClone();
  await fetchMain(clone, url);
  const root = await tip(bridge);
  const theirs = await commitOn(bridge, root, 'theirs');
  await bridge.git(['update-ref', 'refs/heads/main', theirs]);
  const mine = await commitOn(clone, root, 'mine');
  expect(await pushCommit(clone, url, mine)).toEqual({ status: 'raced' });
  await fetchMain(clone, url);
  expect(await pushCommit(clone, url, mine)).toEqual({ status: 'raced' });
  expect(await tip(bridge)).toBe(theirs);
});

test('who loses main while the hook judges has raced', async () => {
  const { bridge, clone, url } = await bridgeAndClone();
  await fetchMain(clone, url);
  const theirs = await commitOn(bridge, await tip(bridge), 'theirs');
  // git forbids ref updates in quarantine, so the other asker is one without it.
  await hook(bridge, `env -i PATH="$PATH" git --git-dir "$PWD" update-ref refs/heads/main ${theirs}`);
  expect(await pushCommit(clone, url, await commitOn(clone, `${await tip(bridge)}`, 'mine'))).toEqual({
    status: 'raced',
  });
  expect(await tip(bridge)).toBe(theirs);
});

test('a refusal of the hook is a value; a stale one is a race', async () => {
  const { bridge, clone, url } = await bridgeAndClone();
  await fetchMain(clone, url);
  const commit = await commitOn(clone, await tip(bridge), 'x');
  await hook(bridge, 'echo "llm-bridge refused [answered]: task 1 has its answer; try: nothing" >&2; exit 1');
  expect(await pushCommit(clone, url, commit)).toEqual({
    status: 'refused',
    refusal: { code: 'answered', text: 'task 1 has its answer', remedy: 'nothing' },
  });
  await hook(bridge, 'echo "llm-bridge refused [stale]: main has moved; try: fetch" >&2; exit 1');
  expect(await pushCommit(clone, url, commit)).toEqual({ status: 'raced' });
});

describe('refs beside main', () => {
  const CLAIM = `refs/bridge/claims/${'a'.repeat(40)}`;
  const there = async (bridge: { git: (args: readonly string[]) => Promise<string> }, ref: string) =>
    bridge.git(['for-each-ref', '--format=%(objectname)', ref]);

  test('each is made, changed and removed by what it was, whatever becomes of the others', async () => {
    const { bridge, clone, url } = await bridgeAndClone();
    const [one, two] = await Promise.all(['1', '2'].map((text) => writeBlob(clone, Buffer.from(text))));
    if (one === undefined || two === undefined) throw new Error('no blobs');
    const other = `refs/bridge/claims/${'b'.repeat(40)}`;
    const push = (changes: Parameters<typeof pushSideRefs>[2]) => pushSideRefs(clone, url, changes);
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

  test('are fetched where that is asked for, and what is gone there goes', async () => {
    const { bridge, clone, url } = await bridgeAndClone();
    const blob = await writeBlob(clone, Buffer.from('1'));
    await pushSideRefs(clone, url, [{ ref: CLAIM, to: blob, from: null }]);
    const mine = CLAIM.replace('refs/', 'refs/remotes/');
    await fetchMain(clone, url);
    expect(await resolveRef(clone, mine)).toBeNull();
    await fetchMain(clone, url, { sideRefs: true });
    expect(await resolveRef(clone, mine)).toBe(blob);
    await pushSideRefs(clone, url, [{ ref: CLAIM, to: null, from: blob }]);
    await fetchMain(clone, url, { sideRefs: true });
    expect(await resolveRef(clone, mine)).toBeNull();
    expect(await resolveRef(clone, REMOTE_MAIN_REF)).toBe(await tip(bridge));
  });

  test('go with main or not at all, and it is told whose fault it was', async () => {
    const { bridge, clone, url } = await bridgeAndClone();
    await fetchMain(clone, url);
    const root = await tip(bridge);
    const blob = await writeBlob(clone, Buffer.from('1'));
    await pushSideRefs(clone, url, [{ ref: CLAIM, to: blob, from: null }]);
    const commit = await commitOn(clone, root, 'x');
    const push = (id: string) => pushCommit(clone, url, commit, undefined, [{ ref: CLAIM, id }]);
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
    const behind = pushCommit(clone, url, await commitOn(clone, root, 'y'), undefined, [
      { ref: CLAIM, id: blob },
    ]);
    expect(await behind).toMatchObject({ status: expect.stringMatching(/raced|not-with-those/) });
    expect(await tip(bridge)).toBe(commit);
  });
});

test('a hook that says nothing we know is an error, and git goes on to be asked', async () => {
  const { bridge, clone, url } = await bridgeAndClone();
  await fetchMain(clone, url);
  await hook(bridge, 'echo boom >&2; exit 1');
  const commit = await commitOn(clone, await tip(bridge), 'x');
  await expect(pushCommit(clone, url, commit)).rejects.toMatchObject({
    code: 'rejected',
    retryable: true,
    message: expect.stringContaining('pre-receive hook declined'),
  });
});

test('a path that is no repository, and one without main, are told apart', async () => {
  const { bridge, clone, url } = await bridgeAndClone();
  await expect(fetchMain(clone, join(bridge.dir, 'nope'))).rejects.toMatchObject({
    code: 'no-such-repository',
  });
  await bridge.git(['update-ref', '-d', 'refs/heads/main']);
  await expect(fetchMain(clone, url)).rejects.toMatchObject({ code: 'no-main', retryable: false });
});

test('the ssh command of the user is the one that is run, with the rest of the environment', async () => {
  const { bridge, clone } = await bridgeAndClone();
  const log = join(bridge.dir, 'ssh.log');
  const ssh = join(bridge.dir, 'my ssh');
  await writeFile(ssh, `#!/bin/sh\necho "$MARK $*" >>'${log}'\nfor last; do :; done\neval "$last"\n`);
  await chmod(ssh, 0o755);
  const env = clientGitEnv({ ...bridge.env, MARK: 'mark', GIT_SSH_VARIANT: 'ssh' }, `'${ssh}' -F none`);
  expect(await fetchMain({ ...clone, env }, `bridge@server:${bridge.gitDir}`)).toBe('fetched');
  expect(await readFile(log, 'utf8')).toMatch(/^mark -F none .*bridge@server git-upload-pack '/);
});

test('a git that is silent for too long is ended, and that is a connection that may come back', async () => {
  const { bridge, clone } = await bridgeAndClone();
  const env = clientGitEnv({ ...bridge.env, GIT_SSH_VARIANT: 'ssh' }, 'exec sleep 600 #');
  const result = await runRemoteGit({ ...clone, env }, ['fetch', 'server:x'], { silenceMs: 300 });
  expect(result.exitCode).not.toBe(0);
  expect(result.stderr).toMatch(/Connection timed out/);
});

test.each([
  ['a fetch', (clone: Repository, signal: AbortSignal) => fetchMain(clone, 'server:x', {}, signal)],
  ['a look', (clone: Repository, signal: AbortSignal) => listRemoteRefs(clone, 'server:x', true, signal)],
])('an abort ends %s with all that it has started, and rejects', async (_what, start) => {
  const { bridge, clone } = await bridgeAndClone();
  const started = join(bridge.dir, 'started');
  // Like an ssh on a dead network: it does not notice that git is gone.
  const ssh = `trap '' HUP PIPE; echo $$ >'${started}.new'; mv '${started}.new' '${started}'; exec sleep 600 #`;
  const env = clientGitEnv({ ...bridge.env, GIT_SSH_VARIANT: 'ssh' }, ssh);
  const controller = new AbortController();
  const asking = start({ ...clone, env }, controller.signal);
  asking.catch(() => {});
  const pid = Number(await waitUntil(() => readFile(started, 'utf8').catch(() => null), 'ssh to be started'));
  controller.abort();
  await expect(asking).rejects.toThrow(/abort/i);
  await waitUntil(() => !isAlive(pid), 'the end of ssh');
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
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
  await expect(pushCommit(clone, small, commit)).rejects.toMatchObject({
    code: 'disk-full',
    retryable: true,
  });
});
