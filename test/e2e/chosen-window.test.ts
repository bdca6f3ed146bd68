import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { readTasks, tasksContext } from '../../src/admin/read-tasks.js';
import { sameModel } from '../../src/agent/backends/same-model.js';
import { WaitingWatch } from '../../src/asker/waiting-watch.js';
import type { BridgeView, Reach } from '../../src/bridge/bridge-view.js';
import { openBridgeView } from '../../src/bridge/open-bridge-view.js';
import { openPushAhead } from '../../src/bridge/push-ahead.js';
import { MAIN_REF } from '../../src/protocol/names.js';
import { keepOpenTasks } from '../../src/rules/keep-open-tasks.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { runFrom } from '../support/from-place.js';
import { gitOk } from '../support/git.js';
import { serverProcesses } from '../support/hostile/server-state.js';
import { anAnswer, messageWriter, writeMany } from '../support/message-writer.js';
import { runProcess } from '../support/run-process.js';
import { waitUntil } from '../support/wait-until.js';

const DAY_S = 86_400;
const OPEN = 1_100;

let bridge: BridgeFixture;
let open: readonly string[];
let late: string;
let tip: string;

const setMain = (id: string) =>
  gitOk(['update-ref', MAIN_REF, id], { gitDir: bridge.repoPath, env: bridge.ownerEnv });

/** A bridge with more open tasks than anybody is shown, and some of every other kind. */
beforeAll(async () => {
  bridge = await startBridgeFixture();
  const repo = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const write = messageWriter(bridge.repoPath, bridge.ownerEnv);
  const at = (seconds: number) => ({ secondsFromNow: seconds });
  tip = (await gitOk(['rev-parse', MAIN_REF], repo)).trim();
  for (const one of ['p', 'q']) tip = await write.ask(tip, one, at(-7 * DAY_S - 3600));
  const done = await write.ask(tip, 'done', at(-600));
  tip = await write.answer(done, anAnswer(done, 'done'), at(-500));
  const given = await write.ask(tip, 'given up', at(-400));
  tip = await write.cancel(given, given, {}, at(-300));
  open = await writeMany(repo, tip, OPEN);
  tip = open.at(-1) ?? '';
  await setMain(tip);
  await keepOpenTasks(repo, null, { nowMs: Date.now(), ttlMs: 7 * DAY_S * 1000 });
  tip = await write.answer(tip, anAnswer(open[0] ?? '', 'question 0'));
  late = await write.ask(tip, 'late');
  tip = late;
  await setMain(tip);
});

async function openView(): Promise<BridgeView> {
  const { env } = bridge.principal('bot');
  return await openBridgeView({ repo: bridge.sshUrl, env }, 'chosen');
}

async function packsIn({ repo }: BridgeView): Promise<readonly string[]> {
  return (await readdir(join(repo.gitDir, 'objects', 'pack'))).filter((name) => name.endsWith('.pack'));
}

const hasObject = async ({ repo }: BridgeView, id: string) =>
  (await runProcess('git', ['--git-dir', repo.gitDir, 'cat-file', '-e', id], { env: bridge.ownerEnv }))
    .exitCode === 0;

test('a session that waits for a push keeps no reader from its tasks', async () => {
  const view = await openView();
  const ahead = openPushAhead(view.connection);
  try {
    const stands = () =>
      serverProcesses(bridge.repoPath, 'bot').some(({ command }) => /^\S*node \S*standby/.test(command));
    await waitUntil(stands, 'a process stands by for the push');
    expect(await view.window({ pending: 3, expired: 1 })).not.toBeNull();
  } finally {
    await ahead?.close();
    await view.close();
  }
});

test('a reader over ssh fetches the tasks that it shows, and none of those that it only counts', async () => {
  const view = await openView();
  try {
    const chosen = await view.window({ pending: 3, expired: 1 });

    expect(chosen?.left).toEqual({ pending: OPEN - 1 - 3, expired: 1 });
    expect(chosen?.ids.filter((id) => open.includes(id))).toEqual(open.slice(0, 4));
    expect(chosen?.ids.at(-1)).toBe(late);
    expect(await hasObject(view, open[3] ?? '')).toBe(true);
    expect(await hasObject(view, open[500] ?? '')).toBe(false);
  } finally {
    await view.close();
  }
});

test.each([
  ['status', 'status'],
  ['list', 'list'],
  ['list -n 1', 'list', '-n', '1'],
  ['list of what is over', 'list', '--state', 'done'],
  ['list of what was given up', 'list', '--state', 'cancelled'],
  ['list of what has expired', 'list', '--state', 'expired', '-n', '1'],
  ['list of all that wait', 'list', '--state', 'pending'],
  ['list for programs', 'list', '--json', '-n', '1'],
])('%s says over ssh what it says on the server', async (_what, ...args) => {
  const here = await runFrom(bridge, 'local', args);
  const far = await runFrom(bridge, 'ssh', args);

  expect(far).toMatchObject({ exitCode: 0, stderr: '' });
  // Over ssh nothing is known of the log, and a moment may lie between the two.
  const words = (text: string) =>
    text
      .replace(bridge.sshUrl, bridge.repoPath)
      .split('\n')
      .map((line) =>
        line.replace(/, \d+ in answers\.log/, '').replace(/ +(under )?\d+ (s|min)\b/g, ' a moment'),
      );
  expect(words(far.stdout)).toEqual(words(here.stdout));
});

test('a status that is watched over ssh hears of new tasks, and its clone does not grow', async () => {
  const view = await openView();
  try {
    await view.window({ pending: 3, expired: 0 });
    const write = messageWriter(bridge.repoPath, bridge.ownerEnv);
    const sizes: number[] = [];
    const waiting: number[] = [];
    for (const prompt of ['one', 'two', 'three', 'four']) {
      tip = await write.ask(tip, prompt);
      await setMain(tip);
      await view.refresh({ sideRefs: true });
      const chosen = await view.window({ pending: 3, expired: 0 });
      expect(chosen).not.toBeNull();
      const tasks = await readTasks(view.repo, tasksContext(view, await view.whoWorks()), {
        ...{ pending: 3, expired: 0, chosen },
      });
      waiting.push(tasks.left.pending + 3);
      sizes.push((await packsIn(view)).length);
    }
    expect(waiting).toEqual([OPEN + 1, OPEN + 2, OPEN + 3, OPEN + 4]);
    // Each fetch brings a pack of its own; of what was chosen, the last one alone is kept.
    expect(sizes.map((size) => size - (sizes[0] ?? 0))).toEqual([0, 1, 2, 3]);
  } finally {
    await view.close();
  }
});

test('no place in line is told among so many, and nothing is fetched for it', async () => {
  const { env } = bridge.principal('bot');
  const view = await openBridgeView({ repo: bridge.sshUrl, env }, 'tip');
  try {
    const lines: unknown[] = [];
    const watch = new WaitingWatch(view, late, {
      ...{ wantsPlace: true, asked: { wanted: null, sameModel } },
      onWaiting: ({ line }) => lines.push(line),
    });
    for (let look = 0; look < 3; look += 1) await watch.look();

    expect(lines).toEqual([null]);
    expect(await hasObject(view, open[500] ?? '')).toBe(false);
  } finally {
    await view.close();
  }
});

test('a place in line costs one fetch where the server has no list of open tasks', async () => {
  const list = join(bridge.repoPath, 'bridge', 'open-tasks');
  const whole = await readFile(list);
  await writeFile(list, '');
  const { env } = bridge.principal('bot');
  const view = await openBridgeView({ repo: bridge.sshUrl, env }, 'tip');
  try {
    const reached: string[] = [];
    const told = Object.create(view, {
      reach: { value: async (far: Reach) => void reached.push(far) },
    }) as BridgeView;
    const watch = new WaitingWatch(told, late, {
      ...{ wantsPlace: true, asked: { wanted: null, sameModel } },
      onWaiting: () => {},
    });
    for (let look = 0; look < 3; look += 1) await watch.look();

    expect(await hasObject(view, open[500] ?? '')).toBe(true);
    expect(reached).toEqual([]);
  } finally {
    await view.close();
    await writeFile(list, whole);
  }
});

test('where the server has no list of open tasks, all of the window is fetched', async () => {
  const list = join(bridge.repoPath, 'bridge', 'open-tasks');
  const whole = await readFile(list);
  try {
    for (const torn of ['', whole.subarray(0, whole.length / 2)]) {
      await writeFile(list, torn);
      const view = await openView();
      try {
        expect(await view.window({ pending: 3, expired: 1 })).toBeNull();
        expect(await hasObject(view, open[500] ?? '')).toBe(true);
      } finally {
        await view.close();
      }
    }
  } finally {
    await writeFile(list, whole);
  }
});

test('the built program does it too, with the key of an agent', async () => {
  const { env } = bridge.principal('home-pc');
  const { exitCode, stdout, stderr } = await runCli(['status', '--repo', bridge.sshUrl], { env });

  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toMatch(/more wait \(llm-bridge list\)/);
});
