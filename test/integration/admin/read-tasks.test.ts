import { readFile, rm, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readTasks, type TasksContext, type TasksWanted } from '../../../src/admin/read-tasks.js';
import { ingest } from '../../../src/log/ingest.js';
import { MAIN_REF } from '../../../src/protocol/names.js';
import { isListBehind, keepOpenTasks, MAX_BEHIND } from '../../../src/rules/keep-open-tasks.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { listedBridge } from '../../support/listed-bridge.js';
import { anAnswer, writeMany } from '../../support/message-writer.js';
import { startPlainBridge } from '../../support/plain-bridge.js';

const DAY_S = 86_400;
const TTL_MS = 7 * DAY_S * 1000;
const OPEN = 40;

/** A bridge with tasks of all kinds; its list of open tasks ends `behind` which some of them came. */
async function bridgeOfAllKinds() {
  const bridge = await listedBridge();
  const { git, repo, write } = bridge;
  const at = (seconds: number) => ({ secondsFromNow: seconds });
  let tip = await git(['rev-parse', MAIN_REF]);
  const ask = async (prompt: string, seconds = 0) => {
    tip = await write.ask(tip, prompt, at(seconds));
    return tip;
  };
  const answer = async (task: string, prompt: string, seconds = 0) => {
    tip = await write.answer(tip, anAnswer(task, prompt), at(seconds));
  };
  // Older than anything is seen, expired, answered, cancelled: before, between and behind.
  await ask('long ago', -8.5 * DAY_S);
  for (const one of ['p', 'q', 'r', 's']) await ask(one, -7 * DAY_S - 3600);
  await answer(await ask('done', -600), 'done', -500);
  const given = await ask('given up', -400);
  tip = await write.cancel(tip, given, {}, at(-300));
  const open = await writeMany(repo, tip, OPEN);
  tip = open.at(-1) ?? '';
  await answer(open[3] ?? '', 'question 3');
  await git(['update-ref', MAIN_REF, tip]);
  await keepOpenTasks(repo, null, { nowMs: Date.now(), ttlMs: TTL_MS });
  const listed = tip;
  await answer(open[0] ?? '', 'question 0');
  tip = await write.cancel(tip, open[1] ?? '');
  const late = await ask('late');
  await git(['update-ref', MAIN_REF, tip]);
  const running = new Map([[open[20] ?? '', { agent: 'home-pc', model: null, sinceMs: null, phase: null }]]);
  const context: TasksContext = {
    ...{ ref: MAIN_REF, nowMs: Date.now(), ttlMs: TTL_MS, takesClaims: true },
    who: { agents: [], models: new Map(), running },
  };
  return { ...bridge, context, open, late, listed, tip };
}

const WANTED: readonly TasksWanted[] = [
  {},
  { pending: 5, expired: 2 },
  { pending: 0, expired: 0 },
  { pending: OPEN - 3, expired: 3 },
  { pending: 1000, expired: 1 },
];

test('the list of open tasks says what history says, however many are wanted', async () => {
  const { repo, context, file } = await bridgeOfAllKinds();
  const byList = await Promise.all(WANTED.map((wanted) => readTasks(repo, context, wanted)));
  await rm(file);

  for (const [at, wanted] of WANTED.entries()) {
    const { rows, left } = await readTasks(repo, context, wanted);
    expect(byList[at]?.rows).toEqual(rows);
    expect(byList[at]?.left).toEqual(left);
    const count = (wantedState: string) => rows.filter(({ state }) => state === wantedState).length;
    expect([count('done'), count('cancelled'), count('running')]).toEqual([3, 2, 1]);
    expect(count('pending')).toBe(Math.min(wanted.pending ?? OPEN, OPEN - 3));
    expect(count('pending') + left.pending).toBe(OPEN - 3);
    expect(count('expired')).toBe(Math.min(wanted.expired ?? 4, 4));
    expect(count('expired') + left.expired).toBe(4);
  }
});

test('tasks that are not shown are counted by the list, and their commits are not read', async () => {
  const { repo, context, open, late } = await bridgeOfAllKinds();
  const { commits, left } = await readTasks(repo, context, { pending: 2, expired: 0 });
  const ids = new Set(commits.map(({ id }) => id));

  expect(open.filter((id) => ids.has(id))).toEqual([0, 1, 2, 3, 4, 20].map((at) => open[at]));
  expect(ids.has(late)).toBe(true);
  expect(left).toEqual({ pending: OPEN - 5, expired: 4 });
});

test('a list that is torn, of another history, or of a shorter time-to-live is not gone by', async () => {
  const { repo, context, write, listed, git, file } = await bridgeOfAllKinds();
  const longer = { ...context, ttlMs: TTL_MS + DAY_S * 1000 };
  const { rows } = await readTasks(repo, longer, { pending: 1, expired: 9 });
  expect(rows.filter(({ state }) => state === 'expired')).toHaveLength(1);

  const whole = await readFile(file);
  const all = { pending: OPEN - 4, expired: 4 };
  const half = Math.floor(whole.length / 2);
  const lineEnd = whole.lastIndexOf('\n', half) + 1;
  for (const torn of [
    whole.subarray(0, half),
    whole.subarray(0, lineEnd),
    Buffer.concat([whole.subarray(0, lineEnd), Buffer.alloc(whole.length - lineEnd)]),
  ]) {
    await writeFile(file, torn);
    expect((await readTasks(repo, context, { pending: 1, expired: 0 })).left).toEqual(all);
  }
  await writeFile(file, whole);

  await git(['update-ref', MAIN_REF, await write.ask(await git(['rev-parse', `${listed}~2`]), 'instead')]);
  const { left } = await readTasks(repo, context, { pending: 1, expired: 0 });
  expect(left.pending).toBe(OPEN - 2);
});

test('a list that fell behind answer by answer is brought up to main, so nobody walks far behind it', async () => {
  const { repo, git, file, tip } = await bridgeOfAllKinds();
  const many = await writeMany(repo, tip, MAX_BEHIND, (index) => `answer ${index}`);
  const setMain = (at: number) => git(['update-ref', MAIN_REF, many[at] ?? '']);
  const listEnd = async () => JSON.parse((await readFile(file, 'utf8')).split('\n')[0] ?? '').at;
  await setMain(MAX_BEHIND);
  await ingest(repo, { now: Date.now });
  expect(await listEnd()).toBe(many[MAX_BEHIND]);

  await setMain(2 * MAX_BEHIND - 20);
  await ingest(repo, { now: Date.now });
  expect(await isListBehind(repo)).toBe(false);
  expect(await listEnd()).toBe(many[MAX_BEHIND]);
  const rest = await writeMany(repo, many.at(-1) ?? '', 70, (index) => `answer ${index}`);
  await git(['update-ref', MAIN_REF, rest.at(-1) ?? '']);
  // None of the pushes walked far; together they did.
  expect(await isListBehind(repo)).toBe(true);
  await ingest(repo, { now: Date.now });
  expect(await listEnd()).toBe(rest.at(-1));
});

test('status and list show those that are next, and say how many more wait; programs get all', async () => {
  const { repoPath, env, dir, tip } = await startPlainBridge({ hooks: 'here' });
  const repo = { gitDir: repoPath, env };
  const many = await writeMany(repo, await tip(), 230);
  await gitOk(['update-ref', MAIN_REF, many.at(-1) ?? ''], { gitDir: repoPath, env });
  const run = async (...args: string[]) => {
    const { stdout } = await runCliHere([...args, '--repo', repoPath], { env, cwd: dir });
    return stdout.trimEnd().split('\n');
  };
  const status = await run('status');
  expect(status[1]).toContain('230 pending, 0 answered, 0 expired');
  expect(status.filter((line) => line.includes('ask: question'))).toHaveLength(20);
  expect(status.at(-1)).toBe('  … and 210 more wait (llm-bridge list)');
  const list = await run('list');
  expect(list).toHaveLength(201);
  expect(list[0]).toContain(`${many[0]?.slice(0, 8)}  pending`);
  expect(list.at(-1)).toBe('… and 30 more wait: list --state pending shows all');
  expect(await run('list', '--state', 'pending')).toHaveLength(230);
  expect(await run('list', '--json')).toHaveLength(230);
  expect(await run('list', '--state', 'done')).toEqual(['']);
  const [json = ''] = await run('status', '--json');
  expect(JSON.parse(json)).toMatchObject({ more_pending: 0, pending: { length: 230 } });
});
