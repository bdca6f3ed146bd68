import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { endSessions } from '../../src/admin/end-sessions.js';
import type { BridgeView } from '../../src/bridge/bridge-view.js';
import { openBridgeView } from '../../src/bridge/open-bridge-view.js';
import { openPushAhead, type PushAhead } from '../../src/bridge/push-ahead.js';
import { writeFileChain } from '../../src/git/commit-file.js';
import { looseObjectId, type NewObject } from '../../src/git/loose-object.js';
import { openObjectReader } from '../../src/git/object-reader.js';
import { type PushOutcome, pushCommit } from '../../src/git/push.js';
import { packOf } from '../../src/git/write-pack.js';
import { findGitActivity } from '../../src/process/git-processes.js';
import { askMessage } from '../../src/protocol/commit-message.js';
import { taskHash } from '../../src/protocol/task.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { gitOk } from '../support/git.js';
import { openRawClient } from '../support/hostile/raw-client.js';
import { serverProcesses } from '../support/hostile/server-state.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

// SECURITY.md: P5

let bridge: BridgeFixture;
let views = 0;
beforeEach(async () => {
  bridge = await startBridgeFixture();
});

async function viewOf(who: string): Promise<BridgeView> {
  views += 1;
  const { env, home } = bridge.principal(who);
  const runtimeDir = join(home, `run-${views}`);
  await mkdir(runtimeDir, { mode: 0o700 });
  const view = await openBridgeView(
    { repo: bridge.sshUrl, env: { ...env, XDG_RUNTIME_DIR: runtimeDir } },
    'tip',
  );
  onCleanup(() => view.close());
  return view;
}

function open(view: BridgeView): PushAhead {
  const session = openPushAhead(view.connection);
  if (session === null) throw new Error('there is no shared connection');
  onCleanup(() => session.close());
  return session;
}

interface Asked {
  readonly from: string;
  readonly to: string;
  readonly objects: readonly NewObject[];
}

/** A task on top of what the view has of main, in the clone of the view and nowhere else. */
async function ask({ repo, ref }: BridgeView, question: string, name = 'bot'): Promise<Asked> {
  const reader = openObjectReader(repo);
  try {
    const from = (await gitOk(['rev-parse', ref], { gitDir: repo.gitDir })).trim();
    const content = Buffer.from(question);
    const blob = looseObjectId({ type: 'blob', content }, 'sha1');
    const message = askMessage({ hash: taskHash(content), question });
    const by = { name, atMs: Date.now() };
    const commit = { file: 'task.txt', blob, content, message, by };
    const { ids, objects } = await writeFileChain(repo, reader, from, [commit]);
    return { from, to: ids[0] ?? '', objects };
  } finally {
    reader.close();
  }
}

const push = async (session: PushAhead, { from, to, objects }: Asked): Promise<PushOutcome | null> =>
  session.push({ from, to, pack: await packOf(objects, 'sha1') }, 'sha1');

const main = async () => (await bridge.gitLog('%H'))[0];
const onServer = (word: RegExp, who = 'bot') =>
  serverProcesses(bridge.repoPath, who).filter(({ command }) => word.test(command)).length;
const waiting = (who = 'bot') => onServer(/^dd bs=1/, who);
const standing = (who = 'bot') => onServer(/^\S*node .*standby\.cjs/, who);

test('a push goes through the session that was opened for it, in which no git ran before', async () => {
  const view = await viewOf('bot');
  const session = open(view);
  await waitUntil(() => waiting() === 1 && standing() === 1, 'the session waits');
  // What has warmed up is over by then, and nothing keeps a stale lock from being removed.
  await waitUntil(async () => (await findGitActivity(bridge.repoPath, '/proc'))?.length === 0, 'no git');
  expect(session.isOpen()).toBe(true);
  const asked = await ask(view, 'one');
  expect(await push(session, asked)).toEqual({ status: 'pushed' });
  expect(session.isOpen()).toBe(false);
  expect(await main()).toBe(asked.to);
  await session.close();
  await waitUntil(() => onServer(/ssh-command|standby/) === 0, 'nothing of it stays');
  const left = (await readdir(join(bridge.repoPath, 'bridge'))).filter((name) =>
    /^standby\.[0-9]/.test(name),
  );
  expect(left).toEqual([]);
});

test('what the bridge refuses is refused in the words that git push gets', async () => {
  const view = await viewOf('bot');
  const foreign = await ask(view, 'by another', 'somebody-else');
  const { url } = view.connection.address;
  const byGit = await pushCommit({ repo: view.repo, url }, foreign.to);
  expect(byGit).toMatchObject({ status: 'refused', refusal: { code: 'author' } });
  expect(await push(open(view), foreign)).toEqual(byGit);
  expect(await main()).toBe(foreign.from);
});

test('where another push came first, it has lost the race', async () => {
  const view = await viewOf('bot');
  const sessions = [open(view), open(view)] as const;
  await waitUntil(() => waiting() === 2, 'both wait');
  const [mine, theirs] = [await ask(view, 'mine'), await ask(view, 'theirs')];
  expect(await push(sessions[0], theirs)).toEqual({ status: 'pushed' });
  expect(await push(sessions[1], mine)).toEqual({ status: 'raced' });
  expect(await main()).toBe(theirs.to);
});

test('of many that wait one has a process standing by, and a push beside them has its own', async () => {
  const view = await viewOf('bot');
  const sessions = [open(view), open(view), open(view)];
  await waitUntil(() => waiting() === 3, 'all wait');
  await waitUntil(() => standing() === 1, 'one stands by');
  const asked = await ask(view, 'beside them');
  expect(await pushCommit({ repo: view.repo, url: view.connection.address.url }, asked.to)).toEqual({
    status: 'pushed',
  });
  await waitUntil(() => standing() <= 1, 'the end of the one that stood by for that push');
  await gitOk(['update-ref', view.ref, asked.to], { gitDir: view.repo.gitDir });
  for (const [at, session] of sessions.entries()) {
    const next = await ask(view, `after ${at}`);
    expect(await push(session, next)).toEqual({ status: 'pushed' });
    await gitOk(['update-ref', view.ref, next.to], { gitDir: view.repo.gitDir });
  }
});

test('a limit that was changed while it waited holds for its push', async () => {
  const view = await viewOf('bot');
  const session = open(view);
  await waitUntil(() => waiting() === 1 && standing() === 1, 'the session waits');
  await gitOk(['config', 'bridge.maxTaskBytes', '1000'], { gitDir: bridge.repoPath, env: bridge.ownerEnv });
  expect(await push(session, await ask(view, 'x'.repeat(2_000)))).toMatchObject({
    status: 'refused',
    refusal: { code: 'limit' },
  });
});

test('one that has ended takes no push, and a key that is removed ends it', async () => {
  const view = await viewOf('bot');
  const session = open(view);
  await waitUntil(() => waiting() === 1, 'the session waits');
  await endSessions(bridge.repoPath, 'bot');
  expect(serverProcesses(bridge.repoPath, 'bot')).toEqual([]);
  await waitUntil(() => !session.isOpen(), 'it is known to be over');
  const asked = await ask(view, 'late');
  expect(await push(session, asked)).toBeNull();
  expect(await main()).toBe(asked.from);
});

test('a client that leaves it waiting, or says something else, has pushed nothing', async () => {
  const before = await main();
  const raw = () => openRawClient(bridge, bridge.principal('bot'), 'bridge-push');
  const silent = raw();
  silent.end();
  expect(await silent.closed).toMatchObject({ exitCode: 0, stderr: '' });
  expect((await silent.closed).stdout).toHaveLength(0);
  for (const said of ['pull\n', 'push ', 'pushed', '0000', 'PUSH\n']) {
    const other = raw();
    other.send(said);
    other.end();
    const { exitCode, stderr } = await other.closed;
    expect([exitCode, stderr], said).toEqual([
      1,
      expect.stringMatching(/^llm-bridge: this key opens no shell/),
    ]);
  }
  await waitUntil(() => serverProcesses(bridge.repoPath, 'bot').length === 0, 'nothing of it stays');
  expect(await main()).toBe(before);
});
