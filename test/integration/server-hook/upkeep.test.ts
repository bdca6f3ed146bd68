import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { readRepairs } from '../../../src/git/repairs-log.js';
import { keepUp } from '../../../src/server-hook/upkeep/keep-up.js';
import { upkeepFolder } from '../../../src/server-hook/upkeep/named-packs.js';
import { readGitStarts } from '../../bench/git-trace.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { type ResentPlan, writeConversations } from '../../support/resent-conversations.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

const PROGRAM = fileURLToPath(new URL('../../../dist/hooks/upkeep.cjs', import.meta.url));

/** Conversations whose new text is 192 kB. */
const PLAN: ResentPlan = { conversations: 8, turns: [0, 12], chars: 1000 };

test('a push does not wait for the upkeep it starts', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const upkeep = await heldUpkeep(bridge);
  for (const prompt of ['one', 'two']) await exchangeAtOnce(bridge, prompt);
  await waitUntil(upkeep.started, 'the upkeep was started');
  // It is held: the push that started it has come back all the same, and so does the next one.
  await exchangeAtOnce(bridge, 'three');
  await upkeep.letGo();
});

test('a push that finds enough loose objects has them packed under the names of their conversations', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const repo = { gitDir: bridge.repoPath, env: bridge.env };
  // Below what a gc of git begins at by itself.
  await writeConversations(repo, { conversations: 68, turns: [0, 15], chars: 20 });
  const state = join(bridge.repoPath, 'bridge', 'upkeep', 'state.json');
  expect(await readFile(state, 'utf8').catch(() => null)).toBeNull();

  const inBridge = { gitDir: bridge.repoPath, env: bridge.env };
  await gitOk(['fetch', '--quiet', bridge.repoPath, 'main'], { gitDir: bridge.cloneDir, env: bridge.env });
  // Each looks at a few folders only.
  let pushes = 0;
  await waitUntil(async () => {
    pushes += 1;
    await exchange(bridge, `one more: ${pushes}`);
    return (await readFile(state, 'utf8').catch(() => '')).includes('"packed":"');
  }, 'the upkeep has packed them');
  await waitUntil(
    async () => Number((await gitOk(['count-objects'], inBridge)).split(' ')[0]) < 1000,
    'what was loose is gone',
  );
  expect(await gitOk(['fsck', '--connectivity-only'], inBridge)).not.toMatch(/missing|broken/);
});

test('an answer that is pushed at any step of an upkeep is not held up, and is kept', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await writeConversations({ gitDir: bridge.repoPath, env: bridge.env }, PLAN);
  await gitOk(['fetch', '--quiet', bridge.repoPath, 'main'], { gitDir: bridge.cloneDir, env: bridge.env });
  const { env, isAt, letGo } = await haltingGit(bridge);
  const upkeep = spawn(process.execPath, [PROGRAM, bridge.repoPath, 'now'], { env, stdio: 'ignore' });
  const ended = once(upkeep, 'close');
  const answers: string[] = [];
  for (const step of ['log', 'pack-objects', 'prune-packed', 'gc']) {
    await waitUntil(() => isAt(step), `the upkeep is at ${step}`);
    // It waits there: a push that waited for it would never come back.
    answers.push(await exchange(bridge, `at ${step}`));
    await letGo(step);
  }
  expect(await ended).toEqual([0, null]);
  const inBridge = { gitDir: bridge.repoPath, env: bridge.env };
  expect(await gitOk(['fsck', '--connectivity-only'], inBridge)).not.toMatch(/missing|broken/);
  const records = (await bridge.readLog()).trim().split('\n');
  expect(records.slice(-4).map((line) => JSON.parse(line).commit)).toEqual(answers);
});

test('an upkeep on a full disk changes nothing, leaves nothing behind, and is made when there is room', async ({
  skip,
}) => {
  const bridge = await bareBridge();
  await writeConversations(bridge, PLAN);
  const place = join(bridge.dir, 'disk');
  await mkdir(place);
  const disk = await smallDisk(place, '17m');
  if (disk === null) return skip('only root can make a small disk');
  const repo = { ...bridge, gitDir: join(place, 'bridge.git') };
  await cp(bridge.gitDir, repo.gitDir, { recursive: true });
  const filesIn = async (folder: string) =>
    (await readdir(join(repo.gitDir, folder), { recursive: true }).catch(() => [])).toSorted();
  const before = await filesIn('objects');
  // No room for the pack beside what it is made of.
  expect(await keepUp(repo, { now: true })).toBe(false);
  expect(await filesIn('objects')).toEqual(before);

  // Room that goes while git writes.
  await disk.resize('80m');
  await mkdir(upkeepFolder(repo.gitDir), { recursive: true });
  const small = await smallDisk(upkeepFolder(repo.gitDir), '64k');
  await expect(keepUp(repo, { now: true })).rejects.toThrow(/space/i);
  expect(await filesIn('objects')).toEqual(before);
  expect(await filesIn(join('bridge', 'upkeep'))).not.toContain('begun');
  await small?.close();

  expect(await keepUp(repo, { now: true })).toBe(true);
  const inDisk = { gitDir: repo.gitDir, env: bridge.env };
  expect(await gitOk(['count-objects'], inDisk)).toBe('0 objects, 0 kilobytes\n');
  expect(await gitOk(['fsck', '--strict'], inDisk)).not.toMatch(/error|missing/);
});

test('packs of pushes are put together by the upkeep of a later push, and history is as it was', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const inBridge = { gitDir: bridge.repoPath, env: bridge.env };
  const packs = async () =>
    (await readdir(join(bridge.repoPath, 'objects', 'pack'))).filter((name) => name.endsWith('.pack')).length;
  for (const prompt of ['one', 'two', 'three']) await exchangeAtOnce(bridge, prompt);
  expect(await packs()).toBe(3);
  await gitOk(['config', 'gc.autoPackLimit', '2'], inBridge);
  await exchange(bridge, 'four');
  await waitUntil(async () => (await packs()) === 1, 'one pack is left');
  expect(await gitOk(['fsck', '--strict'], inBridge)).not.toMatch(/error|missing/);
  expect((await bridge.readLog()).trim().split('\n')).toHaveLength(4);
});

test('git is started for a gc where there are objects or packs enough, or the config does not say how many, and else not', async () => {
  const trace = join(await tempDir(), 'trace');
  const bridge = await startPlainBridge({ hooks: 'here', env: { GIT_TRACE2_EVENT: trace } });
  const inBridge = { gitDir: bridge.repoPath, env: bridge.env };
  const folder = join(bridge.repoPath, 'objects', '17');
  const gcs = async () =>
    (await readGitStarts(trace)).filter(({ words }) => words[1] === 'gc' && words.includes('--auto')).length;
  let pushed = 0;
  const one = () => exchangeAtOnce(bridge, `one more: ${++pushed}`);
  // Two pushes: what the first starts in the background is there by the end of the second.
  for (let push = 0; push < 2; push += 1) await one();
  expect(await gcs()).toBe(0);

  let seen = 0;
  const starts = async (why: string) => {
    await one();
    await waitUntil(async () => (await gcs()) > seen, `a gc, because ${why}`);
    seen = await gcs();
  };
  await gitOk(['config', 'gc.autoPackLimit', '1'], inBridge);
  await starts('there are packs enough');
  const packs = join(bridge.repoPath, 'objects', 'pack');
  const named = async () => (await readdir(packs)).filter((name) => name.endsWith('.pack'));
  await waitUntil(async () => (await named()).length === 1, 'all is in one pack');
  for (const name of await named()) await writeFile(join(packs, name.replace(/pack$/, 'keep')), '');
  await gitOk(['config', 'gc.autoPackLimit', '2'], inBridge);
  for (let push = 0; push < 2; push += 1) await one();
  expect(await gcs(), 'what is kept does not count').toBe(seen);
  await gitOk(['config', 'gc.autoPackLimit', '50'], inBridge);
  // A gc removes an empty folder.
  await mkdir(folder, { recursive: true });
  // The 27 that stand for 6,700, and one more; what the first gc has left counts as well.
  for (let n = 0; n < 28; n += 1) await writeFile(join(folder, `${String(n).padStart(38, '0')}`), '');
  await starts('there are objects enough');
  await rm(folder, { recursive: true });
  await gitOk(['config', '--unset', 'gc.auto'], inBridge);
  await starts('the config does not say how many are enough');
  await gitOk(['config', 'gc.auto', '7k'], inBridge);
  await starts('the config says it in another way');
});

test
  .skipIf(process.platform !== 'linux')
  .each(['gc.pid.lock', 'gc.log.lock', 'logs/HEAD.lock', 'packed-refs.new'])(
  'an upkeep that stands before %s of a killed one is made by a later push',
  async (lock) => {
    const bridge = await startPlainBridge({ hooks: 'here' });
    const inBridge = { gitDir: bridge.repoPath, env: bridge.env };
    const packs = async () =>
      (await readdir(join(bridge.repoPath, 'objects', 'pack'))).filter((name) => name.endsWith('.pack'))
        .length;
    await gitOk(['config', 'gc.autoPackLimit', '1'], inBridge);
    await writeFile(join(bridge.repoPath, lock), '');
    for (const prompt of ['one', 'two']) await exchangeAtOnce(bridge, prompt);
    await waitUntil(
      () => readRepairs(bridge.repoPath, 0).some(({ text }) => text.startsWith(`removed ${lock}, left by`)),
      'it is cleared away',
    );
    await exchangeAtOnce(bridge, 'three');
    await waitUntil(async () => (await packs()) === 1, 'one pack is left');
  },
);

test('who follows the reflog hears of an update also after a gc has written it again', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const inBridge = { gitDir: bridge.repoPath, env: bridge.env };
  await exchange(bridge, 'one');
  // As bridge-wait of ssh-command does.
  const tail = spawn('tail', ['-n', '1', '-F', join(bridge.repoPath, 'logs', 'HEAD')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(tail, 'close');
  onCleanup(async () => {
    tail.kill();
    await ended;
  });
  let said = '';
  tail.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await waitUntil(async () => said.includes(await bridge.tip()), 'the last line of the reflog');
  const inode = async () => (await stat(join(bridge.repoPath, 'logs', 'HEAD'))).ino;
  const before = await inode();
  await gitOk(['-c', 'gc.reflogExpire=now', 'gc', '--quiet'], inBridge);
  expect(await inode()).not.toBe(before);
  expect((await stat(join(bridge.repoPath, 'logs', 'HEAD'))).size).toBe(0);
  const next = await exchange(bridge, 'two');
  await waitUntil(() => said.includes(next), 'the line of the update after the gc');
});

test('what no ref holds any more goes with a gc once it is an hour old, and not before', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const inBridge = { gitDir: bridge.repoPath, env: bridge.env };
  const write = async (text: string) =>
    (await gitOk(['hash-object', '-w', '--stdin'], { ...inBridge, input: text })).trim();
  const [old, young] = [await write('an old claim'), await write('a young claim')];
  const file = join(bridge.repoPath, 'objects', old.slice(0, 2), old.slice(2));
  await promisify(execFile)('touch', ['-d', '2 hours ago', file]);
  await gitOk(['gc', '--quiet'], inBridge);
  await expect(gitOk(['cat-file', '-e', old], inBridge)).rejects.toThrow();
  await gitOk(['cat-file', '-e', young], inBridge);
});

/** A git that halts at each step of the upkeep until it is let go. */
async function haltingGit(bridge: PlainBridge) {
  const bin = join(bridge.dir, 'halting');
  await mkdir(bin);
  const file = (name: string) => join(bin, name);
  const lines = [
    '#!/bin/sh',
    'for word; do case $word in log|pack-objects|prune-packed|gc) break ;; esac; done',
    `case $word in log|pack-objects|prune-packed|gc)`,
    `  : >'${bin}'/at-$word`,
    // The folder goes when the test is over, and whoever still waits in it must not wait for ever.
    `  while [ -d '${bin}' ] && [ ! -e '${bin}'/go-$word ]; do sleep 0.05; done ;;`,
    'esac',
    `PATH='${process.env.PATH}' exec git "$@"`,
  ];
  await writeFile(file('git'), `${lines.join('\n')}\n`);
  await chmod(file('git'), 0o755);
  return {
    env: { ...bridge.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    isAt: async (step: string) => (await stat(file(`at-${step}`)).catch(() => null)) !== null,
    letGo: (step: string) => writeFile(file(`go-${step}`), ''),
  };
}

/** Puts a disk of this size over an empty folder; null where only root may. */
async function smallDisk(dir: string, size: string) {
  const run = promisify(execFile);
  const made = await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]).catch(() => null);
  if (made === null) return null;
  const close = () =>
    run('umount', [dir]).then(
      () => {},
      () => {},
    );
  onCleanup(close);
  return { dir, close, resize: (to: string) => run('mount', ['-o', `remount,size=${to}`, dir]) };
}

async function exchange(bridge: PlainBridge, prompt: string): Promise<string> {
  const asked = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), prompt));
  return bridge.pushOk(await bridge.writer.answer(asked, anAnswer(asked, prompt)));
}

/** A task and its answer in one push: six objects, which the server keeps as a pack. */
async function exchangeAtOnce(bridge: PlainBridge, prompt: string): Promise<string> {
  const asked = await bridge.writer.ask(await bridge.tip(), prompt);
  return bridge.pushOk(await bridge.writer.answer(asked, anAnswer(asked, prompt)));
}

/** An upkeep that is due with two packs, says that it was started, and waits to be let go. */
async function heldUpkeep(bridge: PlainBridge) {
  const file = (name: string) => join(bridge.dir, name);
  await gitOk(['config', 'gc.autoPackLimit', '1'], { gitDir: bridge.repoPath, env: bridge.env });
  const hook = join(bridge.repoPath, 'hooks', 'pre-auto-gc');
  const lines = [
    '#!/bin/sh',
    `: >'${file('started')}'`,
    // The folder goes when the test is over, and whoever still waits in it must not wait for ever.
    `while [ -d '${bridge.dir}' ] && [ ! -e '${file('let-go')}' ]; do sleep 0.05; done`,
  ];
  await writeFile(hook, `${lines.join('\n')}\nexit 1\n`);
  await chmod(hook, 0o755);
  const letGo = () => writeFile(file('let-go'), '');
  onCleanup(letGo);
  return { started: async () => (await stat(file('started')).catch(() => null)) !== null, letGo };
}
