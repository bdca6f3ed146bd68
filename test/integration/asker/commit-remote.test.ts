import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commitRemote } from '../../../src/asker/commit-remote.js';
import { taskSubmission } from '../../../src/asker/submission.js';
import { draftTask } from '../../../src/asker/task-draft.js';
import { openClone } from '../../../src/bridge/clone.js';
import { openConnection } from '../../../src/bridge/connection.js';
import { fetchMain } from '../../../src/git/fetch.js';
import { BridgeError } from '../../../src/protocol/bridge-error.js';
import { shortId } from '../../../src/protocol/names.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { cleanEnv } from '../../support/clean-env.js';
import { serveOverHttp } from '../../support/http-git.js';
import { startPlainBridge } from '../../support/plain-bridge.js';
import { waitUntil } from '../../support/wait-until.js';
import { askLocally, TTL_MS, tasksOn } from './asker-fixture.js';

/** A bridge whose pre-receive fails for a fault of its own, so often; counts how often it was called. */
async function failingBridge(failures: number) {
  const bridge = await startPlainBridge();
  const hook = join(bridge.repoPath, 'hooks', 'pre-receive');
  const calls = join(bridge.dir, 'calls');
  await rename(hook, `${hook}-real`);
  await writeFile(
    hook,
    `#!/bin/sh
echo call >> ${calls}
if [ "$(wc -l < ${calls})" -le ${failures} ]; then
  echo 'llm-bridge refused [internal]: git cat-file ended early; try: again' >&2
  exit 1
fi
exec ${hook}-real
`,
  );
  await chmod(hook, 0o755);
  const repo = { gitDir: bridge.repoPath, env: bridge.env };
  const clone = await openClone(join(bridge.dir, 'asker.git'), bridge.env);
  await fetchMain(clone, bridge.repoPath, { depth: 1 });
  const connection = await openConnection(bridge.repoPath, bridge.env);
  const ask = (signal?: AbortSignal) => {
    const draft = draftTask({ prompt: '2+2' }, { nowMs: Date.now(), dedup: false });
    const submission = taskSubmission(draft, () => ({ nowMs: Date.now(), ttlMs: TTL_MS }));
    const by = () => ({ name: 'bot', atMs: Date.now() });
    return commitRemote({ connection, clone, ttlMs: TTL_MS, by }, submission, signal);
  };
  return { bridge, repo, ask, calls: async () => (await readFile(calls, 'utf8')).trim().split('\n').length };
}

test('a hook that was killed refuses nothing: the task is put again, and asked once', async () => {
  const { repo, ask, calls } = await failingBridge(2);
  const { id: task } = await ask();
  expect(await tasksOn(repo)).toEqual([{ id: task, text: expect.stringContaining('2+2') }]);
  expect(await calls()).toBe(3);
});

test('what was asked last, longer ago than a task lives, is asked again over http too, where git only hangs up', async () => {
  const bridge = await bareBridge({ rootDate: '@1000000000 +0000' });
  const repo = { gitDir: bridge.gitDir, env: bridge.env };
  await bridge.git(['config', 'http.receivepack', 'true']);
  const draft = draftTask({ prompt: '2+2' }, { nowMs: Date.now(), dedup: true });
  await askLocally(repo, draft, { name: 'bot', atMs: Date.now() - 2 * TTL_MS });
  const url = `${await serveOverHttp(bridge.dir, cleanEnv(bridge.dir))}/bridge.git`;
  const clone = await openClone(join(bridge.dir, 'asker.git'), bridge.env ?? {});
  await fetchMain(clone, url, { depth: 1 });

  const submission = taskSubmission(draft, () => ({ nowMs: Date.now(), ttlMs: TTL_MS }));
  const by = () => ({ name: 'bot', atMs: Date.now() });
  const connection = await openConnection(url, bridge.env ?? {});
  const { id } = await commitRemote({ connection, clone, ttlMs: TTL_MS, by }, submission);

  expect((await tasksOn(repo)).map((task) => task.id)).toEqual([expect.any(String), id]);
});

test('a hook that is broken is told of, and not tried for a minute', async () => {
  const { repo, ask, calls } = await failingBridge(1000);
  await expect(ask()).rejects.toMatchObject({
    code: 'refused-internal',
    message: expect.stringContaining('git cat-file ended early'),
  });
  expect(await tasksOn(repo)).toEqual([]);
  expect(await calls()).toBe(4);
});

test('whoever stops it while the server has the push is told its id, so that nobody asks it twice', async () => {
  const { bridge, repo, ask } = await failingBridge(0);
  const hook = join(bridge.repoPath, 'hooks', 'post-receive');
  await rename(hook, `${hook}-real`);
  const held = join(bridge.dir, 'held');
  await writeFile(held, '');
  await writeFile(hook, `#!/bin/sh\nwhile [ -e '${held}' ]; do sleep 0.1; done\nexec '${hook}-real'\n`);
  await chmod(hook, 0o755);
  const stop = new AbortController();
  const asking = ask(stop.signal).catch((error: unknown) => error);
  await waitUntil(async () => (await tasksOn(repo)).length === 1, 'the task on main');
  stop.abort(new BridgeError('stopped by SIGINT', { code: 'stopped', remedy: 'run it again' }));
  const error = await asking;
  await rm(held);
  const id = shortId((await tasksOn(repo))[0]?.id ?? '');
  expect(error).toMatchObject({
    code: 'stopped',
    message: `stopped by SIGINT while the task was on its way: it may be asked, as ${id}`,
    remedy: `llm-bridge answer ${id}; if there is no such task, run it again`,
  });
});

test('whoever stops it before its push began is told nothing of an id', async () => {
  const { repo, ask } = await failingBridge(0);
  const why = new BridgeError('stopped by SIGINT', { code: 'stopped', remedy: 'run it again' });
  await expect(ask(AbortSignal.abort(why))).rejects.toMatchObject({ message: why.message });
  expect(await tasksOn(repo)).toEqual([]);
});
