import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Finding, runChecks } from '../../../src/admin/doctor/finding.js';
import { remoteChecks } from '../../../src/admin/doctor/remote-checks.js';
import { serverChecks } from '../../../src/admin/doctor/server-checks.js';
import { openClone } from '../../../src/bridge/clone.js';
import { type BridgeConnection, openConnection } from '../../../src/bridge/connection.js';
import { updateClone } from '../../../src/bridge/update-clone.js';
import { fetchMain, REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { clientGitEnv } from '../../../src/git/git-env.js';
import { readHistory } from '../../../src/git/read-history.js';
import { messageOf } from '../../../src/protocol/history.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/names.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { cleanEnv } from '../../support/clean-env.js';
import { gitOk } from '../../support/git.js';
import { serveOverHttp } from '../../support/http-git.js';
import { messageWriter } from '../../support/message-writer.js';
import { tempDir } from '../../support/temp-dir.js';

const WHO = {
  GIT_AUTHOR_NAME: 'x',
  GIT_AUTHOR_EMAIL: 'x@x',
  GIT_COMMITTER_NAME: 'x',
  GIT_COMMITTER_EMAIL: 'x@x',
};

const WINDOW = { nowMs: Date.UTC(2026, 10, 22), ttlMs: 604_800_000 };

async function bridgeAndConnection(rootDate?: string) {
  const bridge = await bareBridge(rootDate === undefined ? {} : { rootDate });
  const env = clientGitEnv(bridge.env);
  const connection: BridgeConnection = { address: { kind: 'local', url: bridge.gitDir }, env, ssh: null };
  return { bridge, connection, clone: await openClone(join(bridge.dir, 'state', 'clone.git'), env) };
}

test('a clone whose making was killed half-way is made whole, and keeps what it has', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection();
  const tip = await updateClone(clone, connection, WINDOW);
  // As a kill between the steps leaves it: HEAD is there, the last setting is not.
  await gitOk(['config', '--unset', 'transfer.fsckObjects'], { gitDir: clone.gitDir });
  await rm(join(clone.gitDir, 'objects', 'info'), { recursive: true, force: true });
  const again = await openClone(clone.gitDir, connection.env);
  expect(await gitOk(['config', 'transfer.fsckObjects'], { gitDir: again.gitDir })).toBe('true\n');
  expect(await updateClone(again, connection, WINDOW)).toBe(tip);
  expect(await bridge.git(['rev-parse', 'main'])).toBe(tip);
});

test('a bridge where nothing is as young as the time-to-live is fetched by its tip alone', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection('@1000000000 +0000');
  expect(await updateClone(clone, connection, WINDOW)).toBe(await bridge.git(['rev-parse', 'main']));
});

test('the first message after a long silence is fetched with what it changed, and the silence is not', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection('@1000000000 +0000');
  const write = messageWriter(bridge.gitDir, bridge.env);
  const root = await bridge.git(['rev-parse', 'main']);
  const before = Math.floor(1_000_000_001 - Date.now() / 1000);
  const old = await write.ask(root, 'old', { secondsFromNow: before });
  const task = await write.ask(old, 'first', {
    secondsFromNow: Math.floor((WINDOW.nowMs - Date.now()) / 1000) - 60,
  });
  await bridge.git(['update-ref', 'refs/heads/main', task]);

  await updateClone(clone, connection, WINDOW);

  const history = await readHistory(clone, { from: [REMOTE_MAIN_REF] });
  expect(history.map((commit) => [commit.id, messageOf(commit).kind])).toEqual([
    [old, 'other'],
    [task, 'task'],
  ]);
});

test('a main that was rewritten is an error that nothing but a person mends', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection();
  await updateClone(clone, connection, WINDOW);
  const other = await bridge.git(['commit-tree', 'main^{tree}', '-m', 'another root']);
  await bridge.git(['update-ref', 'refs/heads/main', other]);
  await expect(updateClone(clone, connection, WINDOW)).rejects.toMatchObject({
    code: 'history-rewritten',
    retryable: false,
  });
});

test('a bridge where nothing is as young as the time-to-live is fetched by its tip over http too, where git only hangs up', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection('@1000000000 +0000');
  const url = `${await serveOverHttp(bridge.dir, cleanEnv(bridge.dir))}/bridge.git`;
  // The test can fail: git itself finds no way.
  const asked = fetchMain(clone, url, { sinceMs: WINDOW.nowMs - WINDOW.ttlMs });
  await expect(asked.then((outcome) => Promise.reject(new Error(outcome)))).rejects.toThrow();
  const tip = await updateClone(clone, { ...connection, address: { kind: 'other', url } }, WINDOW);
  expect(tip).toBe(await bridge.git(['rev-parse', 'main']));
});

test('a connection that breaks once does not leave a clone without what is pending behind the tip', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection();
  const write = messageWriter(bridge.gitDir, bridge.env);
  const first = await write.ask(await bridge.git(['rev-parse', 'main']), 'one');
  await bridge.git(['update-ref', 'refs/heads/main', await write.ask(first, 'two')]);
  const ssh = join(bridge.dir, 'ssh');
  const script = `if [ -e '${bridge.dir}/broke' ]; then for last; do :; done; eval "$last"; exit; fi
touch '${bridge.dir}/broke'; echo 'Connection reset by peer' >&2; exit 255`;
  await writeFile(ssh, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const env = clientGitEnv({ ...connection.env, GIT_SSH_VARIANT: 'ssh' }, ssh);
  const address = { kind: 'other', url: `bridge@server:${bridge.gitDir}` } as const;
  const remote = { ...clone, env };
  const window = { nowMs: Date.now(), ttlMs: 604_800_000 };

  const log = join(clone.gitDir, 'logs', REMOTE_MAIN_REF);
  await mkdir(join(log, '..'), { recursive: true });
  await writeFile(log, '');

  const broken = updateClone(remote, { address, env, ssh: null }, window);
  await expect(broken).rejects.toMatchObject({ retryable: true });
  // Not for a moment: killed then, the clone would have kept the tip alone.
  expect(await readFile(log, 'utf8')).toBe('');
  await updateClone(remote, { address, env, ssh: null }, window);

  const history = await readHistory(remote, { from: [REMOTE_MAIN_REF] });
  expect(history.map((commit) => commit.id)).toContain(first);
});

test('a clone that a killed git has cut in front of what it has of main is made whole, and main is not called rewritten', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection();
  const write = messageWriter(bridge.gitDir, bridge.env);
  const window = { nowMs: Date.now(), ttlMs: 604_800_000 };
  const add = async (prompt: string) => {
    const id = await write.ask(await bridge.git(['rev-parse', 'main']), prompt);
    await bridge.git(['update-ref', 'refs/heads/main', id]);
    return id;
  };
  const first = await add('one');
  expect(await updateClone(clone, connection, window)).toBe(first);
  const tasks = [first, await add('two'), await add('three')];
  // It stores where history is cut before it moves a ref.
  await gitOk(['fetch', '--quiet', '--depth=1', `file://${bridge.gitDir}`, 'main'], clone);
  const next = await add('four');

  expect(await updateClone(clone, connection, window)).toBe(next);

  const history = await readHistory(clone, { from: [REMOTE_MAIN_REF] });
  expect(history.map(({ id }) => id)).toEqual(expect.arrayContaining([...tasks, next]));
  expect(await gitOk(['for-each-ref', '--format=%(refname)'], clone)).toBe(`${REMOTE_MAIN_REF}\n`);
});

test('a first fetch that brings main and fails beside it leaves main, and history in front of it whole', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection();
  const write = messageWriter(bridge.gitDir, bridge.env);
  const root = await bridge.git(['rev-parse', 'main']);
  const first = await write.ask(root, 'one');
  const second = await write.ask(first, 'two');
  await bridge.git(['update-ref', 'refs/heads/main', first]);
  await bridge.git(['update-ref', 'refs/bridge/agents/pc', await write.blob('x')]);
  const lock = join(clone.gitDir, 'refs/remotes/bridge/agents/pc.lock');
  await mkdir(join(lock, '..'), { recursive: true });
  await writeFile(lock, '');
  const window = { nowMs: Date.now(), ttlMs: 604_800_000, sideRefs: true };
  await expect(updateClone(clone, connection, window)).rejects.toMatchObject({ code: expect.any(String) });
  await rm(lock);
  await bridge.git(['update-ref', 'refs/heads/main', second]);
  expect(await updateClone(clone, connection, window)).toBe(second);
  const history = await readHistory(clone, { from: [REMOTE_MAIN_REF] });
  expect(history.map(({ id }) => id)).toEqual([root, first, second]);
});

test('a task that comes while the clone of a long silence is shortened is fetched, and main is not called rewritten', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection('@1000000000 +0000');
  const root = await updateClone(clone, connection, WINDOW);
  const write = messageWriter(bridge.gitDir, bridge.env);
  const first = await write.ask(root, 'one');
  const second = await write.ask(first, 'two');
  const ssh = join(bridge.dir, 'ssh');
  const moves = `git --git-dir='${bridge.gitDir}' update-ref refs/heads/main ${second}`;
  await writeFile(ssh, `#!/bin/sh\nfor last; do :; done; eval "$last"; code=$?; ${moves}; exit $code\n`);
  await chmod(ssh, 0o755);
  const env = clientGitEnv({ ...connection.env, GIT_SSH_VARIANT: 'ssh' }, ssh);
  const address = { kind: 'other', url: `bridge@server:${bridge.gitDir}` } as const;
  const window = { nowMs: Date.now(), ttlMs: 604_800_000, shorten: true };

  expect(await updateClone({ ...clone, env }, { address, env, ssh: null }, window)).toBe(second);

  const history = await readHistory(clone, { from: [REMOTE_MAIN_REF] });
  expect(history.map(({ id }) => id)).toEqual([root, first, second]);
});

test.each([
  ['sha1', 'sha256'],
  ['sha256', 'sha1'],
])(
  'a bridge of %s is cloned where new repositories are of %s, and doctor names its ids',
  async (theirs, ours) => {
    const dir = await tempDir();
    const env = clientGitEnv({ ...cleanEnv(dir), GIT_DEFAULT_HASH: ours });
    const gitDir = join(dir, 'bridge.git');
    const init = ['init', '--bare', '--quiet', '--initial-branch=main', `--object-format=${theirs}`];
    await gitOk([...init, gitDir], { env });
    const tree = (await gitOk(['mktree'], { gitDir, env, input: '' })).trim();
    const root = (await gitOk(['commit-tree', tree, '-m', 'x'], { gitDir, env: { ...env, ...WHO } })).trim();
    await gitOk(['update-ref', 'refs/heads/main', root], { gitDir, env });
    const write = messageWriter(gitDir, cleanEnv(dir));
    await gitOk(['update-ref', 'refs/heads/main', await write.ask(root, 'q')], { gitDir, env });
    const clone = await openClone(join(dir, 'clone.git'), env);
    const connection: BridgeConnection = { address: { kind: 'local', url: gitDir }, env, ssh: null };

    const tip = await updateClone(clone, connection, { nowMs: Date.now(), ttlMs: 604_800_000 });

    expect(clone.ownIds).toBe(theirs);
    const [, task] = await readHistory(clone, { from: [REMOTE_MAIN_REF] });
    expect(task).toMatchObject({ id: tip, subject: expect.stringContaining('q') });
    // It is opened as what it is from now on.
    expect((await openClone(clone.gitDir, env)).ownIds).toBe(theirs);
    // Doctor names the format, on the server and elsewhere.
    await gitOk(['config', 'bridge.version', String(PROTOCOL_VERSION)], { gitDir, env });
    const options = {
      repoPath: gitDir,
      env,
      fix: false,
      now: Date.now,
      authorizedKeysFile: join(dir, 'none'),
    };
    const elsewhere = await openConnection(`file://${gitDir}`, cleanEnv(dir, { GIT_DEFAULT_HASH: ours }));
    for (const checks of [serverChecks(options), remoteChecks({ connection: elsewhere, now: Date.now })]) {
      const found: Finding[] = [];
      const first = checks.filter(({ name }) => name === 'git' || name === 'repository');
      for await (const one of runChecks(first)) found.push(one);
      expect(found.at(-1)).toMatchObject({
        ...{ check: 'repository', status: 'ok' },
        text: expect.stringMatching(theirs === 'sha1' ? /with ids of SHA-1$/ : /with ids of SHA-256$/),
      });
    }
  },
);
