import { beforeAll, expect, test } from 'vitest';
import { MAX_OPEN_STREAMS } from '../../src/agent/streams/task-stream.js';
import { inTurn } from '../../src/demo/stand-in/stand-in-request.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type PieceOrOutcome, stream } from '../../src/index.js';
import { type RunningAgent, startAgentHere } from '../support/agent-here.js';
import { chatsOf, gate, questionOfChat, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, type Principal, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startOnTerminal } from '../support/on-terminal.js';
import { Screen } from '../support/screen.js';
import { waitUntil } from '../support/wait-until.js';

/** What is hard to pass on in pieces, and what a terminal must not be told. */
const HARD = 'Привет, 🙂👨‍👩‍👧 мир\r\nзакат \u001b[2J漢字\n\n  end  ';
const HARMLESS = 'Привет, 🙂👨‍👩‍👧 мир\nзакат [2J漢字\n\n  end  ';
const MEGABYTE = Array.from({ length: 20_000 }, (_, at) => `Satz ${at} — строка с текстом 🙂`).join('\n');

let bridge: BridgeFixture;
let standIn: StandIn;
let bot: Principal;
/** Of all tests but the last. */
let agent: RunningAgent;

beforeAll(async () => {
  bridge = await startBridgeFixture({
    hooks: 'here',
    sshdConfig: ['MaxSessions 8'],
    principals: [
      { name: 'home-pc', role: 'agent' },
      { name: 'other-pc', role: 'agent' },
      { name: 'bot', role: 'asker' },
    ],
  });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  bot = bridge.principal('bot');
  agent = await startAgentHere(bridge, standIn, { state: 'home-pc', parallel: 2 });
});

/** What stands on a terminal after all this was written to it, without the spinner's lines. */
function screenOf(shown: string, columns = 100): string {
  const screen = new Screen({ columns, rows: 24 });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a sequence
  screen.write(shown.replaceAll(/\u001b\][^\u0007]*\u0007/g, ''));
  return screen.text();
}

async function askOnTerminal(repo: string, env: Record<string, string>, ...more: string[]) {
  return await askAtWidth(100, repo, env, ...more);
}

async function askAtWidth(columns: number, repo: string, env: Record<string, string>, ...more: string[]) {
  const run = await startOnTerminal(['ask', 'count', '--repo', repo, ...more], env, { columns });
  if (run === null) throw new Error('there is no script(1) that can make a terminal');
  return run;
}

/** The pieces of an answer, from the library. */
function listen(prompt: string): AsyncGenerator<PieceOrOutcome> {
  return stream({ repo: bridge.sshUrl, task: { prompt }, env: bot.env });
}

/** The text since the last restart. */
function textOf(pieces: readonly PieceOrOutcome[]): string {
  let text = '';
  for (const piece of pieces) {
    if ('restart' in piece) text = '';
    if ('text' in piece) text += piece.text;
  }
  return text;
}

function answerOf(pieces: readonly PieceOrOutcome[]): string | null | undefined {
  const last = pieces.at(-1);
  return last !== undefined && 'outcome' in last && last.outcome.status === 'answered'
    ? last.outcome.answer.answer
    : undefined;
}

function taskOf(pieces: readonly PieceOrOutcome[]): string | undefined {
  const last = pieces.at(-1);
  return last !== undefined && 'outcome' in last ? last.outcome.task : undefined;
}

test.each(['over ssh', 'on the server'])(
  '%s a terminal shows thinking and tokens as they come, and in the end the answer',
  async (where) => {
    const rest = gate();
    const before = (await bridge.answersLog()).length;
    standIn.behave = inTurn({
      ...{ thinking: 'hm, hm', answer: HARD, pieceChars: 3 },
      pause: { afterChunks: 4, until: rest.opened },
    });
    const isRemote = where === 'over ssh';
    const run = await askOnTerminal(
      isRemote ? bridge.sshUrl : bridge.repoPath,
      isRemote ? bot.env : { ...bridge.ownerEnv, NO_COLOR: '1' },
    );
    await run.waitFor(/\| hm, hm/);
    await run.waitFor(/Привет/);
    expect(await bridge.answersLog()).toHaveLength(before);
    rest.open();
    expect(await run.exited).toBe(0);
    expect(screenOf(run.shown())).toBe(`${HARMLESS}\n`);
    expect(run.shown().includes('\u001b[2m')).toBe(isRemote);
    // The asker may see it on main before it is in the log, where the next test counts.
    await waitUntil(async () => (await bridge.answersLog()).length > before, 'the answer in the log');
  },
);

test('what a model said before it broke off is taken back from the terminal', async () => {
  // Whoever hears of it late would see the second generation alone.
  const seen = gate();
  const again = gate();
  standIn.behave = inTurn(
    {
      answer: 'one two three',
      pause: { afterChunks: 2, until: seen.opened },
      fault: { afterChunks: 2, kind: 'die' },
    },
    { answer: 'four five six', pause: { afterChunks: 2, until: again.opened } },
  );
  const run = await askOnTerminal(bridge.sshUrl, bot.env);
  await run.waitFor(/one two/);
  seen.open();
  await run.waitFor(/four five/);
  again.open();
  expect(await run.exited).toBe(0);
  expect(screenOf(run.shown())).toBe('four five six\n');
});

test('on a narrow terminal what a model said before it broke off is taken back row by row', async () => {
  const long = 'word '.repeat(12).trimEnd();
  const seen = gate();
  standIn.behave = inTurn(
    {
      answer: `${long} lost`,
      pause: { afterChunks: 12, until: seen.opened },
      fault: { afterChunks: 12, kind: 'die' },
    },
    { answer: `${long} five` },
  );
  const run = await askAtWidth(33, bridge.sshUrl, bot.env);
  await run.waitFor(/(?:word[^w]*){12}/);
  seen.open();
  expect(await run.exited).toBe(0);
  expect(screenOf(run.shown(), 33)).toBe(`${long} five\n`);
});

test('on a terminal that became narrower meanwhile a line says that it starts again, because nobody knows how many rows that is', async () => {
  const long = 'word '.repeat(12).trimEnd();
  const [resized, seen] = [gate(), gate()];
  standIn.behave = inTurn(
    {
      answer: `${long} more lost`,
      beforeChunk: (sent) => (sent === 12 ? resized.opened : Promise.resolve()),
      pause: { afterChunks: 13, until: seen.opened },
      fault: { afterChunks: 13, kind: 'die' },
    },
    { answer: 'four five six' },
  );
  const run = await askOnTerminal(bridge.sshUrl, { ...bot.env, NO_COLOR: '1' });
  await run.waitFor(/(?:word ?){12}/);
  await run.resize(60);
  resized.open();
  // What came after the signal stands there, so the program has had the signal.
  await run.waitFor(/more/);
  seen.open();
  expect(await run.exited).toBe(0);
  // From the answer on it had 60 columns, in which a long word of the spinner's takes two rows.
  const shown = run.shown();
  const answer = shown.slice(shown.indexOf('word'));
  expect(screenOf(answer, 60)).toBe(`${long} more \n(it starts again)\nfour five six\n`);
});

test('who stops waiting keeps what stands there; --no-stream shows the answer when it is whole', async () => {
  const rest = gate();
  standIn.behave = () => ({ answer: 'one two three', pause: { afterChunks: 2, until: rest.opened } });
  const stopped = await askOnTerminal(bridge.sshUrl, bot.env);
  const whole = await askOnTerminal(bridge.sshUrl, bot.env, '--no-stream');
  await stopped.waitFor(/one two/);
  await stopped.signal('SIGINT');
  expect(await stopped.exited).toBe(75);
  expect(screenOf(stopped.shown())).toMatch(/^one two \nerror: stopped waiting; the task stays asked/);
  rest.open();
  expect(await whole.exited).toBe(0);
  expect(screenOf(whole.shown())).toBe('one two three\n');
  expect(whole.shown()).not.toContain('one two \u001b');
});

test('in a pipe there is the answer alone, and nobody is asked to say more', async () => {
  standIn.behave = () => ({ thinking: 'hm', answer: HARD });
  const asked = await runCli(['ask', '2+2', '--repo', bridge.sshUrl], { env: bot.env });
  expect(asked).toEqual({ exitCode: 0, stdout: `${HARD}\n`, stderr: '' });
  const task = await gitOk(['show', 'main~1:task.json'], { gitDir: bridge.repoPath, env: bridge.ownerEnv });
  expect(JSON.parse(task)).not.toHaveProperty('stream');
});

test('eight at a time over eight sessions, and an agent killed in the middle: each reader has the answer, once', async () => {
  await gitOk(['config', 'bridge.claimLease', '4s'], { gitDir: bridge.repoPath, env: bridge.ownerEnv });
  const rest = gate();
  const answerTo = (question: string) =>
    question === 'task 0' ? MEGABYTE : `answer to ${question}: ${HARD}`;
  // What is said the second time begins otherwise, so that nobody can take the one for the other's rest.
  const times = new Map<string, number>();
  standIn.behave = ({ question }) => {
    times.set(question, (times.get(question) ?? 0) + 1);
    return {
      answer: `${times.get(question)}. ${answerTo(question)}`,
      pieceChars: question === 'task 0' ? 400 : 3,
      pause: { afterChunks: 5, until: rest.opened },
    };
  };
  agent.signal('SIGTERM');
  await agent.exited;
  const killed = await startAgent(bridge, standIn, { state: 'home-pc', args: ['--parallel', '8'] });
  const readers = Array.from({ length: 8 }, (_, at) => {
    const pieces: PieceOrOutcome[] = [];
    const read = async () => {
      for await (const piece of listen(`task ${at}`)) pieces.push(piece);
    };
    return { pieces, done: read() };
  });
  const isSaid = () =>
    chatsOf(standIn).filter((chat) => questionOfChat(chat).startsWith('task ')).length >= 8;
  await waitUntil(isSaid, 'eight tasks with the model');
  const heard = () => readers.filter(({ pieces }) => textOf(pieces) !== '');
  await waitUntil(() => heard().length >= MAX_OPEN_STREAMS, 'as many as may be open are heard');
  const spoken = heard();
  expect(spoken).toHaveLength(MAX_OPEN_STREAMS);

  const other = await startAgentHere(bridge, standIn, { as: 'other-pc', state: 'other-pc', parallel: 8 });
  await other.waitFor('stderr', /connected to/);
  killed.signal('SIGKILL');
  rest.open();
  await Promise.all(readers.map(({ done }) => done));

  for (const [at, { pieces }] of readers.entries()) {
    expect(answerOf(pieces)).toBe(`2. ${answerTo(`task ${at}`)}`);
    expect(textOf(pieces)).toBe(answerOf(pieces));
  }
  for (const { pieces } of spoken) expect(pieces).toContainEqual({ restart: true });
  const isHere = new Set(readers.map(({ pieces }) => taskOf(pieces)));
  const records = await waitUntil(async () => {
    const found = (await bridge.answersLog()).filter(({ task_commit }) => isHere.has(task_commit));
    return found.length >= readers.length ? found : null;
  }, 'all eight in the log');
  expect(new Set(records.map(({ task_commit }) => task_commit))).toEqual(isHere);
  expect(records.map(({ agent }) => agent)).toEqual(readers.map(() => 'other-pc'));
  other.signal('SIGTERM');
  await other.exited;
});
