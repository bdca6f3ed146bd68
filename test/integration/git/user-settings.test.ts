import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { writeBlob } from '../../../src/git/commit-file.js';
import { fetchMain, listRemoteRefs, REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { clientGitEnv } from '../../../src/git/git-env.js';
import { checkSoundness, collectGarbage, readLog, readRemoteRef } from '../../../src/git/porcelain.js';
import { pushCommit, pushSideRefs } from '../../../src/git/push.js';
import { readHistory } from '../../../src/git/read-history.js';
import { listRefs, updateRefs } from '../../../src/git/refs.js';
import { gitText } from '../../../src/git/run-git.js';
import { gitOk } from '../../support/git.js';
import { hostileSettings } from '../../support/hostile-settings.js';
import { bridgeAndClone, commitOn, hook, type RemoteFixture, tip } from './remote-fixture.js';

/** A clone of somebody who has set all that could change what plumbing does; the bridge is elsewhere. */
let fixture: RemoteFixture;
let trace: string;
let traceThere: string;

beforeEach(async () => {
  const { bridge, clone } = await bridgeAndClone();
  [trace, traceThere] = [join(bridge.dir, 'trace'), join(bridge.dir, 'trace-there')];
  const there = `env -i PATH="$PATH" HOME=/ GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TRACE2_EVENT='${traceThere}'`;
  const ssh = join(bridge.dir, 'ssh');
  await writeFile(ssh, `#!/bin/sh\nfor last; do :; done\nexec ${there} sh -c "$last"\n`, { mode: 0o755 });
  const theirs = { ...clone.env, ...(await hostileSettings(bridge.dir)), GIT_SSH_VARIANT: 'ssh' };
  const repo = { ...clone, env: { ...clientGitEnv(theirs, ssh), GIT_TRACE2_EVENT: trace } };
  const url = `bridge@server:${bridge.gitDir}`;
  fixture = { bridge, clone: repo, url, to: { repo, url } };
});

/** The programs that our git has started here, without the settings in front of their commands. */
const started = async () =>
  (await readFile(trace, 'utf8'))
    .split('\n')
    .filter((line) => /"event":"(?:child_start|exec|start)"/.test(line))
    .map((line) => (JSON.parse(line) as { argv: string[] }).argv.join(' ').replaceAll(/ -c \S+/g, ''));

/** What no command of ours starts: a program of theirs, or one that a setting of theirs asks for. */
const THEIRS = /their-settings|^(?:false|gpg)\b|^git (?:fetch|gc|maintenance|submodule)\b|negotiate-only/;

/** A signature that nobody has checked. */
const SIGNED = 'gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n';

test('every kind of push goes through, without their options, hooks, tags and signatures', async () => {
  const { bridge, clone, url, to } = fixture;
  await fetchMain(clone, url);
  const commit = await commitOn(clone, await tip(bridge), 'x');
  const tagged = await commitOn(clone, commit, 'y');
  // Of an annotated tag of theirs, push.followTags would take it along.
  await gitOk(['tag', '-a', '-m', 'theirs', 'theirs', tagged], { gitDir: clone.gitDir });
  const claim = `refs/bridge/claims/${'a'.repeat(40)}`;
  const presence = 'refs/bridge/agents/home-pc';
  const [one, two] = await Promise.all(['1', '2'].map((text) => writeBlob(clone, Buffer.from(text))));
  const all = new Set([claim, presence]);

  expect(await pushCommit(to, commit)).toEqual({ status: 'pushed' });
  const changes = [
    { ref: claim, to: one ?? '', from: null },
    { ref: presence, to: two ?? '', from: null },
  ];
  expect(await pushSideRefs(to, changes)).toEqual({ status: 'pushed', refs: all });
  expect(await pushCommit(to, tagged, [{ ref: claim, id: one ?? '' }])).toEqual({ status: 'pushed' });
  await hook(bridge, 'echo "llm-bridge refused [claimed]: held; try: wait" >&2; exit 1');
  expect(await pushSideRefs(to, [{ ref: presence, to: null, from: two ?? '' }])).toMatchObject({
    status: 'refused',
    refusal: { code: 'claimed', text: 'held', remedy: 'wait' },
  });

  expect((await bridge.git(['for-each-ref', '--format=%(refname)'])).split('\n')).toEqual([
    presence,
    'refs/heads/main',
  ]);
  const programs = await started();
  expect(programs.filter((one) => one.includes(' push '))).not.toEqual([]);
  expect(programs.filter((one) => THEIRS.test(one))).toEqual([]);
});

test('a fetch brings what was asked for and no more, and what is not sound is refused', async () => {
  const { bridge, clone, url } = fixture;
  await bridge.git(['tag', 'v1', 'main']);
  expect(await fetchMain(clone, url)).toBe('fetched');
  expect([...(await listRemoteRefs(clone, url, true))]).toEqual([['refs/heads/main', await tip(bridge)]]);
  // A tag of the clone's own, which fetch.pruneTags would remove.
  await gitOk(['tag', 'mine', REMOTE_MAIN_REF], { gitDir: clone.gitDir });
  const next = await commitOn(bridge, await tip(bridge), 'next');
  await bridge.git(['update-ref', 'refs/heads/main', next]);
  expect(await fetchMain(clone, url)).toBe('fetched');
  expect((await listRefs(clone, 'refs/')).map(({ ref }) => ref)).toEqual([REMOTE_MAIN_REF, 'refs/tags/mine']);
  await expect(stat(join(clone.gitDir, 'objects/info/commit-graphs'))).rejects.toThrow();
  await expect(stat(join(clone.gitDir, 'objects/info/commit-graph'))).rejects.toThrow();

  const raw = `tree ${await bridge.git(['rev-parse', 'main^{tree}'])}\nparent ${next}\nauthor x 1 +0000\ncommitter x 1 +0000\n\nx\n`;
  const bad = await bridge.git(['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], raw);
  await bridge.git(['update-ref', 'refs/heads/main', bad]);
  await expect(fetchMain(clone, url)).rejects.toMatchObject({ code: 'git-failed' });
  const programs = await started();
  expect(programs.filter((one) => THEIRS.test(one))).toEqual([]);
});

test('a fetch says what it has, so that it gets no more than what is new', async () => {
  const { bridge, clone, url } = fixture;
  const large = Array.from({ length: 20_000 }, (_, at) => (at * 2_654_435_761) % 4_294_967_296).join(' ');
  const first = await commitOn(bridge, await tip(bridge), large);
  await bridge.git(['update-ref', 'refs/heads/main', first]);
  await fetchMain(clone, url);
  const second = await commitOn(bridge, first, 'small');
  await bridge.git(['update-ref', 'refs/heads/main', second]);
  await writeFile(traceThere, '');
  await fetchMain(clone, url);
  const objects = /"key":"write_pack_file\/wrote","value":"([0-9]+)"/.exec(
    await readFile(traceThere, 'utf8'),
  );
  expect(Number(objects?.[1])).toBe(3);
});

test('history is read as it is: the root with its files, renames as two changes, authors and trailers by their own names', async () => {
  const { bridge, clone, url } = fixture;
  const blob = await bridge.git(['hash-object', '-w', '--stdin'], 'the same text in two files\n'.repeat(20));
  const tree = (name: string) => bridge.git(['mktree'], `100644 blob ${blob}\t${name}\n`);
  const who = 'bot <bot@llm-bridge.invalid> 1700000000 +0000';
  const trailers = 'Task: 1234\nTask-Hash: 5678\nStatus: ok\n';
  const commit = (of: string, parent: string, signature: string) =>
    bridge.git(
      ['hash-object', '-t', 'commit', '-w', '--stdin'],
      `tree ${of}\n${parent}author ${who}\ncommitter ${who}\n${signature}\né\n\n${trailers}`,
    );
  const root = await commit(await tree('README.md'), '', '');
  const moved = await commit(await tree('task.txt'), `parent ${root}\n`, SIGNED);
  await bridge.git(['update-ref', 'refs/heads/main', moved]);
  await fetchMain(clone, url, { sinceMs: 0 });

  const history = await readHistory(clone, { from: [REMOTE_MAIN_REF], author: 'bot' });

  const read = {
    author: 'bot',
    subject: 'é',
    taskTrailer: '1234',
    taskHashTrailer: '5678',
    statusTrailer: 'ok',
  };
  expect(history).toMatchObject([
    { ...read, id: root, changes: [{ path: 'README.md' }] },
    { ...read, id: moved, changes: [{ path: 'README.md' }, { path: 'task.txt' }] },
  ]);
  expect((await started()).filter((one) => THEIRS.test(one))).toEqual([]);
});

test('a ref moves without their hooks, and a commit that git writes is in UTF-8', async () => {
  const { clone } = fixture;
  const tree = (await gitText(clone, ['mktree'], { input: '' })).trim();
  const who = {
    GIT_AUTHOR_NAME: 'x',
    GIT_AUTHOR_EMAIL: 'x',
    GIT_COMMITTER_NAME: 'x',
    GIT_COMMITTER_EMAIL: 'x',
  };
  const named = { ...clone, env: { ...clone.env, ...who } };
  const commit = (await gitText(named, ['commit-tree', tree], { input: 'é\n' })).trim();
  expect(await gitText(clone, ['cat-file', 'commit', commit])).not.toContain('encoding');
  await updateRefs(clone, [{ ref: 'refs/heads/main', to: commit, from: null }], 'x');
  expect((await started()).filter((one) => THEIRS.test(one))).toEqual([]);
});

/**
 * Settings that no command of ours heeds today, by what git's documentation says that they change: files
 * that are looked into, colours in what is matched, the form of history, more that comes or goes.
 */
const NOT_THEIRS = [
  ...['core.fsmonitor', 'core.bigFileThreshold', 'color.ui', 'color.push', 'color.remote', 'color.advice'],
  ...['color.transport', 'log.follow', 'diff.renames', 'diff.ignoreSubmodules', 'diff.relative'],
  ...['diff.noPrefix', 'fetch.prune', 'fetch.pruneTags', 'fetch.recurseSubmodules', 'submodule.recurse'],
  ...['gc.auto', 'maintenance.auto', 'push.gpgSign', 'push.followTags', 'push.recurseSubmodules'],
  ...['push.useForceIfIncludes', 'fetch.writeCommitGraph'],
];

test.each(NOT_THEIRS)('%s has the value that we need, whatever they have set', async (key) => {
  const { clone } = fixture;
  const theirs = (await gitOk(['config', '--get', key], clone)).trim();
  expect(theirs).not.toBe('');
  expect((await gitText(clone, ['config', '--get', key])).trim()).not.toBe(theirs);
});

test('what git does for people is the same: a log, a look at the other side, a check, a gc', async () => {
  const { bridge, clone, url } = fixture;
  const who = 'x <x@x> 1700000000 +0000';
  const tree = await bridge.git(['rev-parse', 'main^{tree}']);
  const commit = `tree ${tree}\nauthor ${who}\ncommitter ${who}\n${SIGNED}\né\n`;
  const signed = await bridge.git(['hash-object', '-t', 'commit', '-w', '--stdin'], commit);
  await bridge.git(['update-ref', 'refs/heads/main', signed]);
  await fetchMain(clone, url);
  const { signal } = new AbortController();

  expect(await readLog(clone, REMOTE_MAIN_REF, '%s')).toBe('é\n');
  expect(await readRemoteRef(clone.env, url, 'refs/heads/main')).toBe(signed);
  expect(await checkSoundness(clone, REMOTE_MAIN_REF, signal)).toEqual({ status: 'sound' });
  await collectGarbage(clone, 'now', signal);
  expect((await started()).filter((one) => /their-settings|^(?:false|gpg)\b/.test(one))).toEqual([]);
});
