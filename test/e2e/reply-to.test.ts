import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import type { LogRecord } from '../../src/protocol/log-record.js';
import { startAgentHere } from '../support/agent-here.js';
import { chatsOf, runAgentOnceHere } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCliHere } from '../support/cli-here.js';
import { gitOk } from '../support/git.js';
import { anAnswer, messageWriter } from '../support/message-writer.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

async function start(): Promise<{ bridge: BridgeFixture; standIn: StandIn }> {
  const bridge = await startBridgeFixture({ hooks: 'here' });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  return { bridge, standIn };
}

const bot = (bridge: BridgeFixture, ...args: string[]) =>
  runCliHere([...args, '--repo', bridge.sshUrl], { env: bridge.principal('bot').env });
const owner = (bridge: BridgeFixture, ...args: string[]) =>
  runCliHere([...args, '--repo', bridge.repoPath], { env: bridge.ownerEnv });

async function asked(run: ReturnType<typeof runCliHere>): Promise<string> {
  const { exitCode, stdout, stderr } = await run;
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.trim();
}

/** What the model was told last. */
function lastMessages(standIn: StandIn): string[][] {
  const { messages } = (chatsOf(standIn).at(-1)?.body ?? { messages: [] }) as {
    messages: { role: string; content: string }[];
  };
  return messages.map(({ role, content }) => [role, content]);
}

const recordOf = async (bridge: BridgeFixture, task: string): Promise<LogRecord | undefined> =>
  (await bridge.answersLog()).find(({ task_commit }) => task_commit === task);

test('a reply goes to the model with the conversation before it, from here and from there, and says what was cut', async () => {
  const { bridge, standIn } = await start();
  const answer = () => runAgentOnceHere(bridge, standIn, { state: 'reply' });
  const first = await asked(bot(bridge, 'ask', '2+2', '--system', 'be short', '--no-wait'));
  await answer();
  const second = await asked(bot(bridge, 'ask', '3+3', '--reply-to', first.slice(0, 10), '--no-wait'));
  await asked(bot(bridge, 'ask', 'something else', '--no-wait'));
  await answer();
  const third = await asked(owner(bridge, 'ask', '4+4', '--reply-to', second.slice(0, 8), '--no-wait'));
  await answer();

  expect(lastMessages(standIn)).toEqual([
    ['system', 'be short'],
    ['user', '2+2'],
    ['assistant', '4'],
    ['user', '3+3'],
    ['assistant', '6'],
    ['user', '4+4'],
  ]);
  expect(await recordOf(bridge, third)).toMatchObject({
    answer: '8',
    task_text: '4+4',
    context: { messages: 4, cut: 0 },
  });
  expect(await recordOf(bridge, first)).not.toHaveProperty('context');
  const small = ['--num-ctx', '36', '--max-tokens', '10'];
  const fourth = await asked(bot(bridge, 'ask', '5+5', '--reply-to', third, ...small, '--no-wait'));
  await answer();
  expect(lastMessages(standIn)).toEqual([
    ['system', 'be short'],
    ['user', '4+4'],
    ['assistant', '8'],
    ['user', '5+5'],
  ]);
  expect(await recordOf(bridge, fourth)).toMatchObject({ answer: '10', context: { messages: 2, cut: 4 } });
});

test('"last" is the task that this asker asked last, whoever asked since, and before its cancels', async () => {
  const { bridge, standIn } = await start();
  const replyTo = async (task: string) =>
    JSON.parse(await gitOk(['show', `${task}:task.json`], { gitDir: bridge.repoPath, env: bridge.ownerEnv }))
      .reply_to;
  const reply = (run: typeof bot, ...args: string[]) =>
    run(bridge, 'ask', 'and?', '--reply-to', 'last', '--no-wait', ...args);
  for (const [run, name] of [
    [bot, 'bot'],
    [owner, 'bo'],
  ] as const) {
    expect(await reply(run, '--name', name)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `error: ${name} has asked nothing on this bridge yet, so there is no last task\ntry: name the task by its id; "llm-bridge list" shows the tasks of everybody\n`,
    });
  }
  await asked(bot(bridge, 'ask', '1+1', '--no-wait'));
  const botsLast = await asked(bot(bridge, 'ask', '2+2', '--no-wait'));
  await asked(owner(bridge, 'ask', '7+7', '--name', 'bot.2', '--no-wait'));
  const ownersLast = await asked(owner(bridge, 'ask', '3+3', '--name', 'b.t', '--no-wait'));
  await runAgentOnceHere(bridge, standIn, { state: 'last' });
  const gone = await asked(owner(bridge, 'ask', '8+8', '--name', 'someone', '--no-wait'));
  await asked(owner(bridge, 'cancel', gone, '--name', 'someone'));

  // A dot in a name stands for itself.
  expect(await replyTo(await asked(reply(owner, '--name', 'b.t')))).toBe(ownersLast);
  expect(await replyTo(await asked(reply(bot)))).toBe(botsLast);
  expect((await reply(owner, '--name', 'someone')).stderr).toContain(`${gone.slice(0, 8)} has no answer yet`);
});

test('what has no good answer is not replied to', async () => {
  const { bridge, standIn } = await start();
  const failed = await asked(bot(bridge, 'ask', '2+2', '--model', 'gone', '--no-wait'));
  await runAgentOnceHere(bridge, standIn, { state: 'reply' });
  const pending = await asked(bot(bridge, 'ask', '3+3', '--no-wait'));
  const tip = (await bridge.gitLog('%H'))[0];

  for (const run of [bot, owner]) {
    const reply = (to: string) => run(bridge, 'ask', 'and?', '--reply-to', to, '--no-wait');
    expect(await reply(pending)).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: .* has no answer yet.*\ntry: .*llm-bridge answer .*\n$/),
    });
    expect(await reply(failed)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^error: .* with the error model_not_found\ntry: .+\n$/),
    });
    expect(await reply('abcdef12')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^error: no task on this bridge begins with abcdef12.*\ntry: .+\n$/),
    });
    expect(await reply('first')).toMatchObject({ exitCode: 2 });
  }
  expect((await bridge.gitLog('%H'))[0]).toBe(tip);
});

test('one that is asked all the same is answered with context_missing, without the model', async () => {
  const { bridge, standIn } = await start();
  const write = messageWriter(bridge.repoPath, bridge.ownerEnv);
  const inBridge = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const [root = ''] = await bridge.gitLog('%H');
  const reply = (parent: string, to: string) =>
    write.set(parent, 'task.json', JSON.stringify({ prompt: `to ${to} behind ${parent}`, reply_to: to }));
  const question = await write.ask(root, 'q');
  const unanswered = await reply(question, question);
  const failed = await write.answer(
    unanswered,
    anAnswer(question, 'q', { answer: null, error: { code: 'timeout', message: 'too slow' } }),
  );
  const toFailed = await reply(failed, question);
  const toAnswer = await reply(toFailed, failed);
  const toRoot = await reply(toAnswer, root);
  await gitOk(['update-ref', 'refs/heads/main', toRoot], inBridge);

  const ran = await runAgentOnceHere(bridge, standIn, { state: 'reply' });
  expect(ran.exitCode, ran.stderr).toBe(0);

  const records = await bridge.answersLog();
  const messages = [unanswered, toFailed, toAnswer, toRoot].map((task) => {
    const { error } = records.find(({ task_commit }) => task_commit === task) ?? {};
    expect(error?.code, ran.stderr).toBe('context_missing');
    return error?.message;
  });
  expect(messages).toEqual([
    expect.stringContaining('had no answer when this was asked'),
    expect.stringContaining('was answered with the error timeout'),
    expect.stringContaining('is no task on main before it'),
    expect.stringMatching(/is no task on main before it|is not in the history/),
  ]);
  expect(chatsOf(standIn)).toEqual([]);
});

test('a conversation from before what the agent has is fetched', async () => {
  const { bridge, standIn } = await start();
  const write = messageWriter(bridge.repoPath, bridge.ownerEnv);
  const inBridge = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const [root = ''] = await bridge.gitLog('%H');
  const longAgo = { secondsFromNow: -30 * 86_400 };
  const old = await write.ask(root, '2+2', longAgo);
  const oldAnswer = await write.answer(old, anAnswer(old, '2+2'), longAgo);
  await gitOk(['update-ref', 'refs/heads/main', oldAnswer], inBridge);
  const recent = await asked(bot(bridge, 'ask', '3+3', '--no-wait'));
  await startAgentHere(bridge, standIn, { state: 'reply' });
  await waitUntil(async () => (await recordOf(bridge, recent)) !== undefined, 'the agent at work');
  const clone = { gitDir: join(bridge.dir, 'state-reply', 'bridge.git'), env: bridge.ownerEnv };
  const isShallow = async () => (await gitOk(['rev-parse', '--is-shallow-repository'], clone)).trim();
  expect(await isShallow()).toBe('true');

  const reply = await bot(bridge, 'ask', '4+4', '--reply-to', old.slice(0, 8), '--json');

  expect(reply).toMatchObject({ exitCode: 0, stderr: '' });
  expect(JSON.parse(reply.stdout)).toMatchObject({ answer: '8', context: { messages: 2, cut: 0 } });
  expect(lastMessages(standIn)).toEqual([
    ['user', '2+2'],
    ['assistant', '4'],
    ['user', '4+4'],
  ]);
  expect(await isShallow()).toBe('false');
});
