import { expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { MAIN_REF } from '../../src/protocol/names.js';
import { startAgentHere } from '../support/agent-here.js';
import { chatsOf, gate, questionsOf, runAgentOnceHere } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { git } from '../support/git.js';
import { cancelMany, writeMany } from '../support/message-writer.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

/** So many tasks are cancelled at once. */
const MANY = 400;

async function start(): Promise<{ bridge: BridgeFixture; standIn: StandIn }> {
  const bridge = await startBridgeFixture({ hooks: 'here' });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  return { bridge, standIn };
}

/** Runs a command of `src` here, over ssh, with a key. */
const as = (bridge: BridgeFixture, who: string, ...args: string[]) =>
  runCliHere([...args, '--repo', bridge.sshUrl], { env: bridge.principal(who).env });

const ask = async (bridge: BridgeFixture, question: string) =>
  (await as(bridge, 'bot', 'ask', question, '--no-wait')).stdout.trim();

test('cancelled over ssh while it is generated, a task ends at the model and for who waits, and others go on', async () => {
  const { bridge, standIn } = await start();
  const held = gate();
  standIn.behave = ({ question }) => (question === 'long' ? { firstTokenAfter: held.opened } : {});
  onCleanup(async () => held.open());
  await startAgentHere(bridge, standIn, { state: 'cancel' });
  const waiting = runCli(['ask', 'long', '--repo', bridge.sshUrl], { env: bridge.principal('bot').env });
  await waitUntil(() => questionsOf(standIn).includes('long'), 'the question at the model');
  const [request] = chatsOf(standIn);
  const [task = ''] = await bridge.gitLog('%H');
  const next = await ask(bridge, '2+2');

  const cancelled = await as(bridge, 'bot', 'cancel', task.slice(0, 8), '--reason', 'the wrong\nfile');

  expect(cancelled).toEqual({ exitCode: 0, stdout: `cancelled ${task}\n`, stderr: '' });
  expect(await request?.ended).toBe('lost');
  expect(await waiting).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(/^error: cancelled: cancelled by bot: the wrong file\ntry: .+\n$/),
  });
  await waitUntil(async () => (await bridge.answersLog()).length === 2, 'both in the log');
  expect((await bridge.answersLog()).find(({ task_commit }) => task_commit === next)?.answer).toBe('4');
  const records = (await bridge.answersLog()).filter(({ task_commit }) => task_commit === task);
  expect(records).toEqual([
    expect.objectContaining({
      model: null,
      answer: null,
      error: { code: 'cancelled', message: 'cancelled by bot: the wrong file' },
      task_text: 'long',
      agent: 'home-pc',
    }),
  ]);
  expect(await bridge.gitLog()).toEqual(
    expect.arrayContaining([
      `cancel ${task.slice(0, 8)}: the wrong file`,
      expect.stringMatching(/^answer [0-9a-f]{8}: error cancelled \(no model, \d+ ms\)$/),
    ]),
  );
  expect(await as(bridge, 'bot', 'cancel', task)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/^error: .* has its answer already\ntry: llm-bridge answer /),
  });
  const rows = (await as(bridge, 'bot', 'list', '--json')).stdout.trim().split('\n');
  expect(rows.map((row) => (JSON.parse(row) as { state: string }).state)).toEqual(['cancelled', 'done']);
});

test('cancelled before an agent has begun, tasks are answered without the model, also while it is busy', async () => {
  const { bridge, standIn } = await start();
  const held = gate();
  onCleanup(async () => held.open());
  const local = (...args: string[]) =>
    runCliHere([...args, '--repo', bridge.repoPath], { env: bridge.ownerEnv });
  const early = await ask(bridge, 'early');
  expect(await local('cancel', early)).toMatchObject({ exitCode: 0, stdout: `cancelled ${early}\n` });
  const again = JSON.parse((await local('cancel', early, '--json', '--reason', 'x')).stdout) as object;
  expect(again).toMatchObject({ task: early, new: false });
  expect((await local('list')).stdout).toMatch(/cancelled .* bot: early$/m);
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const busy = await ask(bridge, 'busy');
  await startAgentHere(bridge, standIn, { state: 'cancel' });
  await waitUntil(() => questionsOf(standIn).includes('busy'), 'the agent at work');
  const late = await ask(bridge, 'late');

  expect(await as(bridge, 'bot', 'cancel', late.slice(0, 10))).toMatchObject({ exitCode: 0 });

  await waitUntil(async () => (await bridge.answersLog()).length === 2, 'both answered');
  expect((await bridge.answersLog()).map(({ task_commit, error }) => [task_commit, error?.code])).toEqual([
    [early, 'cancelled'],
    [late, 'cancelled'],
  ]);
  expect(questionsOf(standIn)).toEqual(['busy']);
  held.open();
  await waitUntil(async () => (await bridge.answersLog()).length === 3, 'the running one answered');
  expect((await bridge.answersLog())[2]).toMatchObject({ task_commit: busy, error: null });
});

test('hundreds of cancelled tasks hold up no question that comes after them, and each is answered once', async () => {
  const { bridge, standIn } = await start();
  const repo = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const [root = ''] = await bridge.gitLog('%H');
  const tasks = await writeMany(repo, root, MANY);
  const cancels = await cancelMany(repo, tasks.at(-1) ?? '', tasks);
  await git(['--git-dir', bridge.repoPath, 'update-ref', MAIN_REF, cancels.at(-1) ?? ''], bridge.ownerEnv);
  await startAgentHere(bridge, standIn, { state: 'cancel' });
  await waitUntil(async () => (await bridge.answersLog()).length > 0, 'the first of them');

  const local = ['ask', '2+2', '--no-wait', '--repo', bridge.repoPath];
  const question = (await runCliHere(local, { env: bridge.ownerEnv })).stdout.trim();

  const places = async () => (await bridge.answersLog()).map(({ task_commit }) => task_commit);
  await waitUntil(async () => (await places()).includes(question), 'the question answered');
  expect((await places()).indexOf(question)).toBeLessThan(MANY / 2);
  await waitUntil(async () => (await places()).length > MANY, 'all answered', 60_000);
  expect(new Set(await places())).toEqual(new Set([...tasks, question]));
});

test('only who asked may cancel, and nobody what is not there', async () => {
  const { bridge, standIn } = await start();
  await bridge.addPrincipal('other', 'asker');
  const task = await ask(bridge, '2+2');

  expect(await as(bridge, 'other', 'cancel', task)).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(/^error: the bridge refused the cancel: .*other did not ask.*\ntry: .+\n$/),
  });
  expect(await as(bridge, 'home-pc', 'cancel', task)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('role agent'),
  });
  expect(await as(bridge, 'bot', 'cancel', 'abcdef12')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/^error: no task that can be pending begins with abcdef12\ntry: /),
  });
  expect(await as(bridge, 'bot', 'cancel', 'xyz')).toMatchObject({ exitCode: 2 });
  expect(await as(bridge, 'bot', 'cancel', task, '--reason', ' ')).toMatchObject({ exitCode: 2 });
  await runAgentOnceHere(bridge, standIn, { state: 'cancel' });
  expect((await bridge.answersLog()).map(({ answer }) => answer)).toEqual(['4']);
});

test('an equal task that is asked with --dedup after a cancel is asked again', async () => {
  const { bridge, standIn } = await start();
  const dedup = () => as(bridge, 'bot', 'ask', '2+2', '--dedup', '--no-wait');
  const first = (await dedup()).stdout.trim();
  await as(bridge, 'bot', 'cancel', first);
  const second = (await dedup()).stdout.trim();

  await runAgentOnceHere(bridge, standIn, { state: 'cancel' });

  expect(second).not.toBe(first);
  const records = await bridge.answersLog();
  expect(records.map(({ task_commit, answer, error }) => [task_commit, answer ?? error?.code])).toEqual(
    expect.arrayContaining([
      [first, 'cancelled'],
      [second, '4'],
    ]),
  );
  expect(records).toHaveLength(2);
});
