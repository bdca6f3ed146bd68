import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, onTestFailed, test } from 'vitest';
import { Conversation } from '../../src/asker/conversation.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type RunningAgent, startAgentHere } from '../support/agent-here.js';
import { gate, questionsOf } from '../support/bridge-agent.js';
import { type BridgeFixture, type Principal, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startOnTerminal, type TerminalRun } from '../support/on-terminal.js';

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const UP = '\u001b[A';
const paste = (text: string) => `\u001b[200~${text.replaceAll('\n', '\r')}\u001b[201~`;

let bridge: BridgeFixture;
let standIn: StandIn;
let bot: Principal;
let agent: RunningAgent;

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  bot = bridge.principal('bot');
  agent = await startAgentHere(bridge, standIn, { state: 'chat' });
});

// A chat that waits in vain cannot say why; its agent can.
beforeEach(() => onTestFailed(() => console.log(agent.stderr())));

async function startChat(...args: string[]): Promise<TerminalRun> {
  const run = await startOnTerminal(['chat', '--repo', bridge.sshUrl, ...args], bot.env);
  if (run === null) throw new Error('there is no script(1) that can make a terminal');
  await run.waitFor(/\/help lists the commands/);
  return run;
}

/** The tasks of the record, the oldest first, each with its id. */
async function tasks(): Promise<{ id: string; prompt: string; reply_to?: string; model?: string }[]> {
  const inBridge = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const ids = (await bridge.gitLog('%H %s')).filter((line) => line.slice(41).startsWith('ask')).reverse();
  return Promise.all(
    ids.map(async (line) => {
      const id = line.slice(0, 40);
      return { ...JSON.parse(await gitOk(['show', `${id}:task.json`], inBridge)), id };
    }),
  );
}

test('a chat on a terminal is a conversation in the record, with its commands, a paste, a cancel and its history', async () => {
  const held = gate();
  const longAnswers = [
    {
      ...{ thinking: 'hm, hm', answer: 'one two three', pieceChars: 4 },
      pause: { afterChunks: 3, until: held.opened },
    },
    { answer: 'told in full' },
  ];
  const answers: Record<string, string> = { 'first\nsecond': 'both lines' };
  standIn.behave = ({ question }) =>
    question === 'long' ? (longAnswers.shift() ?? {}) : { answer: answers[question] ?? '4' };
  const run = await startChat('--system', 'be short');
  run.type('2+2');
  await run.waitFor(/4\r\n[^\r]*> /);
  run.press(paste('first\nsecond'));
  await run.waitFor(/second/);
  run.press('\r');
  await run.waitFor(/both lines/);
  run.type('/model llama3.2');
  await run.waitFor(/asks llama3\.2/);
  run.type('/nothing');
  await run.waitFor(/error: there is no command \/nothing\r?\ntry: \/help/);
  run.type('long');
  await run.waitFor(/\| hm, hm/);
  await run.waitFor(/one /);
  // Typed while the model speaks: it waits for its turn, and Ctrl-C takes it back.
  run.press(`never asked\r${CTRL_C}`);
  await run.waitFor(/cancelling ([0-9a-f]{8}), as does: llm-bridge cancel \1 --repo ssh:/);
  await run.waitFor(/what came of it: llm-bridge answer [0-9a-f]{8} --repo ssh:/);
  await run.waitFor(/cancelled [0-9a-f]{8}; \/retry asks it again/);
  held.open();
  run.type('/retry');
  await run.waitFor(/told in full\r\n[^\r]*> /);
  run.press('half a line');
  await run.waitFor(/half a line/);
  run.press(CTRL_C);
  run.press(CTRL_C);
  await run.waitFor(/Ctrl-D or \/quit leaves/);
  run.press(CTRL_D);
  expect(await run.exited).toBe(0);
  await run.waitFor(/to go on: llm-bridge chat --reply-to [0-9a-f]{8} --repo ssh:/);

  const [first, both, long, again] = await tasks();
  expect(first).toMatchObject({ prompt: '2+2', system: 'be short' });
  expect(both).toMatchObject({ prompt: 'first\nsecond', reply_to: first?.id });
  expect(long).toMatchObject({ prompt: 'long', reply_to: both?.id, model: 'llama3.2' });
  expect(again).toMatchObject({ prompt: 'long', reply_to: both?.id, model: 'llama3.2' });
  expect(questionsOf(standIn)).not.toContain('never asked');
  expect(run.shown()).toContain('\u001b[2m| hm, hm');

  const file = join(bot.home, '.local', 'state', 'llm-bridge', 'chat-history');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const typed = (await readFile(file, 'utf8')).trim().split('\n');
  expect(typed.map((line) => JSON.parse(line))).toEqual([
    '2+2',
    'first\nsecond',
    '/model llama3.2',
    '/nothing',
    'long',
    '/retry',
  ]);

  const next = await startChat('--reply-to', 'last');
  await next.waitFor(/goes on from[\s\S]*told in full\r\n[^\r]*> /);
  next.press(`${UP}${UP}${UP}${UP}${UP}`);
  await next.waitFor(/first[\s\S]*second/);
  next.press('\r');
  await next.waitFor(/both lines\r\n[^\r]*> /);
  next.press(CTRL_D);
  expect(await next.exited).toBe(0);
  expect((await tasks())[4]).toMatchObject({ prompt: 'first\nsecond', reply_to: again?.id });
});

test('a question that is taken back before its bridge was read again is cancelled', async () => {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const access = { repo: bridge.sshUrl, env: bot.env };
  const { conversation } = await Conversation.open(access, {});
  onCleanup(() => conversation.close());
  const stop = new AbortController();
  const asked = await conversation.ask(
    { prompt: 'taken back' },
    { signal: stop.signal, onAsked: () => stop.abort() },
  );
  expect(asked.status).toBe('waiting');
  expect(await conversation.cancel(asked.task)).toMatchObject({ task: asked.task, isNew: true });
  held.open();
});

test('off a terminal each line is a question, and the answers alone are printed', async () => {
  standIn.behave = ({ question }) =>
    question === 'fail'
      ? { refuse: { kind: 'http', status: 400, body: '{"error":"no"}' } }
      : { answer: `<${question}>` };
  const before = (await tasks()).length;
  const input = 'one\n\n"""two\nlines"""\n/model llama3.2\nfail\nthree';
  const ran = await runCli(['chat', '--repo', bridge.sshUrl], { env: bot.env, input });
  expect(ran).toMatchObject({ exitCode: 1, stdout: '<one>\n<two\nlines>\n<three>\n' });
  expect(ran.stderr).toMatch(/^asks llama3\.2\nerror: backend_\w+: .*\ntry: .*\n$/);
  const [one, two, fail, three] = (await tasks()).slice(before);
  expect(two).toMatchObject({ prompt: 'two\nlines', reply_to: one?.id });
  // What failed is no part of the conversation.
  expect(fail).toMatchObject({ reply_to: two?.id, model: 'llama3.2' });
  expect(three).toMatchObject({ prompt: 'three', reply_to: two?.id });
  const wrong = await runCli(['chat', '--temperature', '99', '--repo', bridge.sshUrl], {
    env: bot.env,
    input,
  });
  expect(wrong).toMatchObject({
    exitCode: 2,
    stdout: '',
    stderr: expect.stringMatching(/^error: .*\ntry: .*\n$/),
  });
});

test('what waits on a terminal says its place in line, about how long it takes, and what is usual for its model', async () => {
  const held = gate();
  standIn.behave = ({ question }) => (question === 'held' ? { firstTokenAfter: held.opened } : {});
  const ask = (question: string, ...more: string[]) =>
    runCliHere(['ask', question, '--repo', bridge.sshUrl, ...more], { env: bot.env });
  expect(await ask('1+1')).toMatchObject({ exitCode: 0, stdout: '2\n' });
  const first = await startOnTerminal(['ask', 'held', '--repo', bridge.sshUrl], bot.env);
  await first?.waitFor(/seen by home-pc, \w+ \(llama3\.2:latest\), usually (?:under 1 s|\d+ s)/);
  await ask('behind', '--no-wait');
  const third = await startOnTerminal(['ask', '3+3', '--repo', bridge.sshUrl], bot.env);
  await third?.waitFor(/waiting for an agent, 1 before it, (?:any moment|about \d+ s)/);
  held.open();
  expect(await third?.exited).toBe(0);
  expect(await first?.exited).toBe(0);
});
