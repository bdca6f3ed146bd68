import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { chatsOf, gate } from '../../support/bridge-agent.js';
import { type RunningCli, runCli, startCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { commitOnMain } from '../../support/commit-on-main.js';
import { faultEnv } from '../../support/dying-cli.js';
import { gitOk } from '../../support/git.js';
import { gitAtWork } from '../../support/living-git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { rowsToTry } from '../../support/rows-to-try.js';
import { waitUntil } from '../../support/wait-until.js';

let bridge: PlainBridge;
let standIn: StandIn;
let clone: string;

beforeEach(async () => {
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
});

/** A bridge whose agent has not run yet. */
async function useNewBridge(): Promise<void> {
  bridge = await startPlainBridge({ hooks: 'here for all' });
  clone = join(bridge.dir, 'state', 'bridge.git');
}

const task = (question: string) =>
  commitOnMain({ repoPath: bridge.repoPath, ownerEnv: bridge.env }, { path: 'task.txt', content: question });

function args(more: readonly string[] = []): string[] {
  return [
    ...['agent', '--repo', bridge.repoPath, '--name', 'home-pc', '--state-dir', join(bridge.dir, 'state')],
    ...['--ollama-url', standIn.ollamaUrl, '--backend', 'ollama', '--poll', '0.1', ...more],
  ];
}

async function once() {
  const run = await runCliHere(args(['--once']), { env: bridge.env });
  expect(run.exitCode, run.stderr).toBe(0);
  return run;
}

async function answers(): Promise<unknown[]> {
  const lines = (await bridge.readLog()).split('\n').slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { answer: unknown }).answer);
}

async function logged(count: number): Promise<unknown[]> {
  return waitUntil(
    async () => ((await answers()).length >= count ? answers() : null),
    `${count} answers`,
    40_000,
  );
}

/** An object of the clone as a file of its own, by its name in history. */
async function looseFile(name: string): Promise<string> {
  const id = (await gitOk(['rev-parse', name], { gitDir: clone, env: bridge.env })).trim();
  return join(clone, 'objects', id.slice(0, 2), id.slice(2));
}

async function brokenRef(folder: string, content: Uint8Array | string): Promise<void> {
  await mkdir(join(clone, folder), { recursive: true });
  await writeFile(join(clone, folder, '2'.repeat(40)), content);
}

/** An agent that runs may be writing there at this moment. */
const remove = (folder: string) => rm(folder, { recursive: true, maxRetries: 10, retryDelay: 50 });

const MAIN = 'refs/remotes/bridge/main';
const DAMAGES: Readonly<Record<string, () => Promise<void>>> = {
  'is gone': () => remove(clone),
  'has an empty HEAD': () => writeFile(join(clone, 'HEAD'), ''),
  'has a config of zeros': () => writeFile(join(clone, 'config'), Buffer.alloc(200)),
  'has no objects': () => remove(join(clone, 'objects')),
  'has garbage for its main': () => writeFile(join(clone, MAIN), Buffer.alloc(41)),
  'has a main that names nothing': () => writeFile(join(clone, MAIN), `${'1'.repeat(40)}\n`),
  'has an empty finished answer': () => brokenRef('refs/bridge/finished', Buffer.alloc(0)),
  'has zeros for a claim of the bridge': () => brokenRef('refs/remotes/bridge/claims', Buffer.alloc(41)),
  'has a claim of the bridge that names nothing': () =>
    brokenRef('refs/remotes/bridge/claims', `${'1'.repeat(40)}\n`),
  'has a tip that is cut in half': async () => truncate(await looseFile(MAIN), 20),
  'has an empty tree': async () => truncate(await looseFile(`${MAIN}^{tree}`), 0),
  'lost what its history begins with': () => rm(join(clone, 'shallow')),
  'has a pack that is cut in half': async () => {
    await gitOk(['repack', '-adq'], { gitDir: clone, env: bridge.env });
    const [pack = ''] = (await readdir(join(clone, 'objects', 'pack'))).filter((name) =>
      name.endsWith('.pack'),
    );
    await truncate(join(clone, 'objects', 'pack', pack), 60);
  },
};

/** Keeps a copy of the bridge and of its agent's state as they are. */
async function keep(): Promise<void> {
  await copyBoth(bridge.dir, join(bridge.dir, 'kept'));
}

/** Puts both back to what was kept. */
async function goBack(): Promise<void> {
  for (const name of BOTH) await rm(join(bridge.dir, name), { recursive: true, force: true });
  await copyBoth(join(bridge.dir, 'kept'), bridge.dir);
}

const BOTH = ['state', 'bridge.git'];

async function copyBoth(from: string, to: string): Promise<void> {
  for (const name of BOTH)
    await cp(join(from, name), join(to, name), { recursive: true, preserveTimestamps: true });
}

/** The bridge of an agent that has answered one task, kept as it was then. */
let answered: PlainBridge | undefined;

/** Goes on from there: an agent does not start and answer anew for each damage. */
async function goOnFromOneAnswer(): Promise<void> {
  if (answered === undefined) throw new Error('beforeAll made none');
  bridge = answered;
  clone = join(bridge.dir, 'state', 'bridge.git');
  await goBack();
}

beforeAll(async () => {
  await useNewBridge();
  standIn = await startStandIn();
  await task('1+1');
  await once();
  await standIn.close();
  await keep();
  answered = bridge;
});

// Neighbours are found by one check.
test.each(rowsToTry(Object.entries(DAMAGES), (_row, at) => Math.floor(at / 2)))(
  'an agent whose clone %s starts, and answers what is asked',
  async (what, damage) => {
    await goOnFromOneAnswer();
    if (what === 'lost what its history begins with') {
      await gitOk(['fetch', '--depth=1', '-q', bridge.repoPath, `main:${MAIN}`], {
        gitDir: clone,
        env: bridge.env,
      });
      await gitOk(['reflog', 'expire', '--expire=now', '--all'], { gitDir: clone, env: bridge.env });
      await gitOk(['gc', '-q', '--prune=now'], { gitDir: clone, env: bridge.env });
    }
    await damage();
    await task('1+2');
    await once();
    expect(await answers()).toEqual(['2', '3']);
    expect(chatsOf(standIn)).toHaveLength(1);
    // A bad pack that nothing is needed of is in nobody's way.
    if (!what.includes('pack'))
      await gitOk(['fsck', '--full', '--no-dangling'], { gitDir: clone, env: bridge.env });
    expect(await readdir(join(bridge.dir, 'state'))).not.toContainEqual(expect.stringContaining('damaged'));
  },
);

test('a finished answer is rescued from a clone that git cannot open any more, also by agents that are killed at any step of making it again', async () => {
  await useNewBridge();
  await task('20+2');
  const dies = (at: RegExp) =>
    runCli(args(['--once']), { env: { ...bridge.env, ...faultEnv(join(bridge.dir, 'steps'), at, 'dies') } });
  expect(await dies(/ push .*:refs\/heads\/main/)).toMatchObject({ exitCode: 137 });
  expect(await answers()).toEqual([]);
  expect(chatsOf(standIn)).toHaveLength(1);
  await writeFile(join(clone, 'HEAD'), '');
  await keep();
  // Each goes on where the one before was killed.
  for (const step of [
    /^rename .*damaged/,
    / init --bare/,
    /^rename .*\/config$/,
    /^open .*\/refs\/bridge\/finished\//,
    /^rename .*\/refs\/bridge\/finished\//,
    /^rm .*damaged/,
  ]) {
    expect(await dies(step), step.source).toMatchObject({ exitCode: 137 });
  }
  await once();
  expect(await answers()).toEqual(['22']);
  expect(chatsOf(standIn)).toHaveLength(1);
  expect(await readdir(join(bridge.dir, 'state'))).not.toContainEqual(expect.stringContaining('damaged'));

  // Where nobody is killed.
  await goBack();
  await once();
  expect(await answers()).toEqual(['22']);
  expect(chatsOf(standIn)).toHaveLength(1);
});

/** An agent that runs, and has answered one task. */
async function running(): Promise<RunningCli> {
  await useNewBridge();
  await task('1+1');
  const agent = await startCli(args(), { env: bridge.env });
  expect(await logged(1)).toEqual(['2']);
  return agent;
}

/** Asks what the model holds back until the returned function is called; it has been asked by then. */
async function askAndHold(question: string): Promise<() => void> {
  const held = gate();
  const before = chatsOf(standIn).length;
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  await task(question);
  await waitUntil(() => chatsOf(standIn).length > before, 'the question at the model server');
  return held.open;
}

async function stop(agent: RunningCli): Promise<void> {
  agent.signal('SIGTERM');
  expect(await agent.exited).toEqual({ exitCode: 0, signal: null });
}

test('an agent whose clone is damaged while it generates, by one damage after the other, goes on, and no answer is generated again', async () => {
  const agent = await running();
  const expected = ['2'];
  const renewals = () => agent.stderr().match(/warn: the clone .* is damaged; making a new one/g) ?? [];
  for (const [at, what] of ['is gone', 'has an empty HEAD', 'has garbage for its main'].entries()) {
    const open = await askAndHold(`10+${at}`);
    await DAMAGES[what]?.();
    open();
    expected.push(String(10 + at));
    expect(await logged(expected.length), what).toEqual(expected);
    standIn.behave = () => ({});
    await task(`20+${at}`);
    expected.push(String(20 + at));
    expect(await logged(expected.length), what).toEqual(expected);
    expect(chatsOf(standIn), what).toHaveLength(expected.length);
    expect(renewals(), what).toHaveLength(at + 1);
  }
  await stop(agent);
});

const LOCKS = ['shallow.lock', 'packed-refs.lock', 'HEAD.lock', `${MAIN}.lock`, 'config.lock'];

test('locks that a killed git left in the clone are cleared at the start', async () => {
  await goOnFromOneAnswer();
  for (const lock of LOCKS) await writeFile(join(clone, lock), '');
  await mkdir(join(clone, 'objects', 'tmp_objdir-incoming-x'));
  await task('1+2');
  await once();
  expect(await answers()).toEqual(['2', '3']);
  for (const lock of LOCKS) await expect(readFile(join(clone, lock))).rejects.toThrow('ENOENT');
});

test('locks that a killed git leaves while the agent runs are cleared, and the answer is kept', async () => {
  const agent = await running();
  const open = await askAndHold('3+3');
  const second = (await gitOk(['rev-parse', 'main'], { gitDir: bridge.repoPath, env: bridge.env })).trim();
  await mkdir(join(clone, 'refs', 'bridge', 'finished'), { recursive: true });
  const locks = [`${MAIN}.lock`, `refs/bridge/finished/${second}.lock`, 'shallow.lock'];
  for (const lock of locks) await writeFile(join(clone, lock), '');
  open();
  expect(await logged(2)).toEqual(['2', '6']);
  expect(chatsOf(standIn)).toHaveLength(2);
  expect(agent.stderr()).toMatch(/warn: removed a lock that a killed git had left in the clone/);
  await stop(agent);
});

test('a lock that a living git holds is waited for', async () => {
  await goOnFromOneAnswer();
  await writeFile(join(clone, 'shallow.lock'), '');
  // A git at work in the clone, as a killed agent's fetch may still be.
  const git = await gitAtWork({ args: ['--git-dir', clone], env: bridge.env });
  const agent = await startCli(args(['--once']), { env: bridge.env });
  await agent.waitFor('stderr', /waiting for a git that is at work in the clone/);
  expect(await readFile(join(clone, 'shallow.lock'), 'utf8')).toBe('');
  await git.finish();
  expect(await agent.exited).toMatchObject({ exitCode: 0 });
  await expect(readFile(join(clone, 'shallow.lock'))).rejects.toThrow('ENOENT');
});
