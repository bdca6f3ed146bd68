import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { type RunningCli, startCli } from '../support/cli.js';
import { gitOk } from '../support/git.js';

let bridge: BridgeFixture;
let file: string;

beforeEach(async () => {
  bridge = await startBridgeFixture({ hooks: 'here', principals: [] });
  file = join(bridge.dir, 'task.txt');
});

async function watch(watched = file, settle = '0.1'): Promise<RunningCli> {
  const watcher = await startCli(
    ['watch', watched, '--repo', bridge.repoPath, '--name', 'bot', '--settle', settle],
    { env: bridge.ownerEnv },
  );
  await watcher.waitFor('stderr', /watching/);
  return watcher;
}

/** What was asked so far, the oldest first. */
async function asked(): Promise<string[]> {
  const subjects = await bridge.gitLog();
  return subjects.flatMap((subject) => /^ask: (.*)$/.exec(subject)?.[1] ?? []).reverse();
}

async function stop(watcher: RunningCli): Promise<void> {
  watcher.signal('SIGTERM');
  expect(await watcher.exited).toEqual({ exitCode: 0, signal: null });
}

test('a file that does not exist yet is waited for, then written, replaced, removed and written again', async () => {
  const watcher = await watch();
  await writeFile(file, 'first');
  await watcher.waitFor('stdout', /^[0-9a-f]{40} first$/m);
  await writeFile(`${file}.tmp`, 'second');
  await rename(`${file}.tmp`, file);
  await watcher.waitFor('stdout', /^[0-9a-f]{40} second$/m);
  await rm(file);
  await writeFile(file, 'third');
  await watcher.waitFor('stdout', /^[0-9a-f]{40} third$/m);

  expect(await asked()).toEqual(['first', 'second', 'third']);
  const tasks = watcher
    .stdout()
    .trim()
    .split('\n')
    .map((line) => line.slice(0, 40));
  const history = await bridge.gitLog('%H %an');
  expect(tasks.map((task) => `${task} bot`).reverse()).toEqual(history.slice(0, 3));
  await stop(watcher);
});

/** Makes the folder of the file and asks in it, then removes it and does so again. */
async function askTwice(watcher: RunningCli, watched: string): Promise<void> {
  for (const question of ['first', 'second']) {
    await mkdir(dirname(watched), { recursive: true });
    await writeFile(watched, question);
    await watcher.waitFor('stdout', new RegExp(`^[0-9a-f]{40} ${question}$`, 'm'));
    if (question === 'first') await rm(dirname(watched), { recursive: true });
  }
}

test('a folder that is not there is told once, and waited for like the file', async () => {
  const box = join(bridge.dir, 'no box', 'yet');
  const watched = join(box, 'task.txt');
  const watcher = await watch(watched);
  await askTwice(watcher, watched);

  expect(watcher.stderr().split('\n')).toEqual([
    `warning: the folder ${box} is not there yet; watch waits for it`,
    `try: mkdir -p '${box}'`,
    `watching ${watched} for ${bridge.repoPath}`,
    '',
  ]);
  await stop(watcher);
});

test('a slow writer is not cut in half', async () => {
  const watcher = await watch(file, '1');
  const handle = await open(file, 'w');
  // Each piece is on disk while the watcher looks ten times a second; it settles a second after the last.
  for (let piece = 0; piece < 30; piece += 1) {
    await handle.write(`piece ${piece} `);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  await handle.close();
  await watcher.waitFor('stdout', /^[0-9a-f]{40} piece 0/m);

  expect(await asked()).toHaveLength(1);
  const text = await gitOk(['show', 'main:task.txt'], { gitDir: bridge.repoPath });
  expect(text.endsWith('piece 29 ')).toBe(true);
  await stop(watcher);
});

test('an empty or blank file asks nothing, a bad one is said, and the next good one is asked', async () => {
  const watcher = await watch();
  await writeFile(file, '');
  await writeFile(file, ' \n\n');
  await writeFile(`${file}.tmp`, Buffer.from([0xc3, 0x28]));
  await rename(`${file}.tmp`, file);
  await watcher.waitFor('stderr', new RegExp(`error: ${file} is not valid UTF-8\ntry: `));
  await writeFile(file, 'good');
  await watcher.waitFor('stdout', /good/);

  expect(await asked()).toEqual(['good']);
  await stop(watcher);
});

test('a restart repeats nothing, and misses nothing that was written meanwhile', async () => {
  const first = await watch();
  await writeFile(file, 'one');
  await first.waitFor('stdout', /one/);
  await stop(first);

  const second = await watch();
  await writeFile(file, 'two');
  await second.waitFor('stdout', /two/);
  expect(second.stdout()).not.toContain('one');
  second.signal('SIGKILL');
  await second.exited;

  await writeFile(file, 'three');
  const third = await watch();
  await third.waitFor('stdout', /three/);
  expect(await asked()).toEqual(['one', 'two', 'three']);
  await stop(third);
});

test('the same text asked again after another one is a new task', async () => {
  const watcher = await watch();
  for (const [index, text] of ['same', 'other', 'same'].entries()) {
    await writeFile(file, text);
    await watcher.waitFor('stdout', new RegExp(`(\\n.*){${index + 1}}`));
  }

  expect(await asked()).toEqual(['same', 'other', 'same']);
  await stop(watcher);
});

test('a task.json is read by its schema, and what is wrong with it is named', async () => {
  const json = join(bridge.dir, 'task.json');
  const watcher = await watch(json);
  await writeFile(json, JSON.stringify({ prompt: '2+2', temprature: 1 }));
  await watcher.waitFor('stderr', new RegExp(`error: ${json} .*temprature.*\ntry: `));
  await writeFile(json, JSON.stringify({ prompt: '2+2', metadata: { chat: '42' } }));
  await watcher.waitFor('stdout', /2\+2/);
  await appendFile(json, '\n');
  await watcher.waitFor('stdout', /(\n.*){2}/);

  expect(await asked()).toEqual(['2+2', '2+2']);
  await stop(watcher);
});

/** A user namespace of its own, in which no inotify watch is left: the kernel counts them by user. */
const WITHOUT_WATCHES = [
  'unshare',
  '-Ur',
  'sh',
  '-c',
  'echo 0 > /proc/sys/user/max_inotify_watches && exec "$0" "$@"',
];
const canLimit = spawnSync(WITHOUT_WATCHES[0] ?? '', [...WITHOUT_WATCHES.slice(1), 'true']).status === 0;

test.skipIf(!canLimit)(
  'where the inotify watches are used up, it waits for its file and log follows the log all the same',
  async () => {
    const box = join(bridge.dir, 'box');
    const watched = join(box, 'task.txt');
    const options = { env: bridge.ownerEnv, under: WITHOUT_WATCHES };
    const watcher = await startCli(['watch', watched, '--repo', bridge.repoPath, '--settle', '0.1'], options);
    await watcher.waitFor('stderr', /watching/);
    const log = join(bridge.repoPath, 'bridge', 'answers.log');
    const follower = await startCli(['log', '-f', '--json', '--repo', bridge.repoPath], options);
    await askTwice(watcher, watched);
    await appendFile(log, '{"seq":1}\n');
    await follower.waitFor('stdout', /"seq":1/);

    expect(watcher.stderr()).not.toContain('error');
    await stop(watcher);
    follower.signal('SIGTERM');
    await follower.exited;
  },
);
