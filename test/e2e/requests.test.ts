import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type BridgeConnection, closeConnection, openConnection } from '../../src/bridge/connection.js';
import { followStream } from '../../src/bridge/follow-stream.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type Answer, answerSchema } from '../../src/protocol/answer.js';
import type { RequestPath } from '../../src/protocol/request.js';
import type { StreamPiece } from '../../src/protocol/stream.js';
import { gate, runAgentOnceHere, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import type { RunningCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { commitAllOnMain, commitOnMain, type MainFile } from '../support/commit-on-main.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

/** When the stand-in answers, so that the same call gets the same bytes. */
const NOW_MS = Date.UTC(2026, 10, 27);
const OLLAMA = 'llama3.2:latest';
const LMSTUDIO = 'llama-3.2-3b-instruct';
const LLAMA_CPP = 'Llama-3.2-3B-Instruct-Q4_K_M.gguf';
const EMBEDDER = 'nomic-embed-text';

let bridge: BridgeFixture;
let standIn: StandIn;
let agent: RunningCli;
let bot: BridgeConnection;
let asked = 0;

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here', sshdConfig: ['MaxSessions 8'] });
  standIn = await startStandIn({
    now: () => NOW_MS,
    models: {
      ollama: [
        { name: OLLAMA, capabilities: ['completion', 'tools', 'vision'] },
        { name: EMBEDDER, capabilities: ['embedding'] },
      ],
      openai: [LLAMA_CPP, EMBEDDER],
    },
  });
  onCleanup(() => standIn.close());
  agent = await startAgent(bridge, standIn, { state: 'requests', args: agentArgs() });
  const { env, home } = bridge.principal('bot');
  const runtimeDir = join(home, 'run');
  await mkdir(runtimeDir, { mode: 0o700 });
  bot = await openConnection(bridge.sshUrl, { ...env, XDG_RUNTIME_DIR: runtimeDir });
  onCleanup(() => closeConnection(bot));
});

function agentArgs(): string[] {
  return ['--openai-url', standIn.openaiUrl, '--parallel', '2'];
}

interface Call {
  readonly path: RequestPath;
  readonly body: Record<string, unknown>;
  readonly backend?: string;
}

function taskFile({ path, body, backend }: Call, more: Record<string, unknown> = {}): MainFile {
  asked += 1;
  const task = { id: `call-${asked}`, request: { path, body }, ...(backend && { backend }), ...more };
  return { path: 'task.json', content: JSON.stringify(task) };
}

const ask = (call: Call, more?: Record<string, unknown>) => commitOnMain(bridge, taskFile(call, more));

/** The pieces of a stream, up to its end or until the signal aborts. */
async function listen(task: string, signal: AbortSignal, onPiece?: (piece: StreamPiece) => void) {
  const pieces: StreamPiece[] = [];
  for await (const piece of followStream(bot, task, signal)) {
    pieces.push(piece);
    onPiece?.(piece);
  }
  return pieces;
}

/** What of the stream of an answered task is not heard by then was lost. Milliseconds. */
const UNHEARD_MS = 20_000;

/**
 * The stream of a call up to its end. A busy machine loses one whose session was not there two seconds after
 * it was over, because nothing rests on it. Then the same is asked again.
 */
async function wholeStream(call: Call, task: string): Promise<StreamPiece[]> {
  const pieces = await listen(task, AbortSignal.timeout(UNHEARD_MS));
  if (pieces.some((piece) => 'end' in piece)) return pieces;
  const again = await ask(call, { stream: true });
  await answerTo(again);
  return wholeStream(call, again);
}

function eventsOf(pieces: readonly StreamPiece[]): string[] {
  return pieces.flatMap((piece) => ('event' in piece ? [piece.event] : []));
}

async function answerTo(task: string): Promise<Answer> {
  const recordOf = async () =>
    (await bridge.answersLog()).findLast(({ task_commit }) => task_commit === task);
  const { commit } = await waitUntil(recordOf, `an answer to ${task}`);
  const text = await gitOk(['show', `${commit}:inbox.json`], {
    gitDir: bridge.repoPath,
    env: bridge.ownerEnv,
  });
  return answerSchema.parse(JSON.parse(text));
}

/** What the model server itself answers. */
async function askDirectly({ path, body, backend }: Call, stream?: boolean): Promise<string> {
  const base = backend === 'openai' ? standIn.openaiUrl.replace(/\/v1$/, '') : standIn.ollamaUrl;
  const counted = stream === true && /completions$/.test(path) ? { include_usage: true } : undefined;
  const response = await fetch(`${base}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, ...(stream !== undefined && { stream }), stream_options: counted }),
  });
  return await response.text();
}

const messages = [{ role: 'user', content: 'What is 12 * 3?' }];

const TOOL = {
  type: 'function',
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};
const WEATHER = { name: 'weather', arguments: '{"city":"Tbilisi"}' };
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const seen = [
  { type: 'text', text: 'What is 12 * 3?' },
  { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
];

interface Row extends Call {
  readonly what: string;
  readonly backend: 'ollama' | 'lmstudio' | 'openai';
  /** Default: 36. Null: there is no text. */
  readonly answer?: string | null;
  /** Default: true. */
  readonly isStreamed?: boolean;
}

const V1 = (model: string) => ({ model, messages });

const CALLS: readonly Row[] = [
  { what: 'chat', path: '/v1/chat/completions', backend: 'lmstudio', body: V1(LMSTUDIO) },
  { what: 'chat', path: '/v1/chat/completions', backend: 'openai', body: V1(LLAMA_CPP) },
  { what: 'chat', path: '/v1/chat/completions', backend: 'ollama', body: V1(OLLAMA) },
  {
    ...{ what: 'a tool call', path: '/v1/chat/completions', backend: 'openai', answer: null },
    body: { ...V1(LLAMA_CPP), tools: [TOOL], tool_choice: 'required' },
  },
  {
    ...{ what: 'log probabilities and choices', path: '/v1/chat/completions', backend: 'openai' },
    body: { ...V1(LLAMA_CPP), logprobs: true, top_logprobs: 2, n: 2 },
  },
  {
    ...{ what: 'an image', path: '/v1/chat/completions', backend: 'lmstudio' },
    body: { model: LMSTUDIO, messages: [{ role: 'user', content: seen }] },
  },
  {
    ...{ what: 'a completion', path: '/v1/completions', backend: 'openai' },
    body: { model: LLAMA_CPP, prompt: 'What is 12 * 3?' },
  },
  {
    ...{ what: 'a response', path: '/v1/responses', backend: 'lmstudio' },
    body: { model: LMSTUDIO, input: 'What is 12 * 3?', reasoning: { effort: 'low' } },
  },
  {
    ...{ what: 'a message', path: '/v1/messages', backend: 'lmstudio' },
    body: { ...V1(LMSTUDIO), max_tokens: 100 },
  },
  {
    ...{ what: 'embeddings of several', path: '/v1/embeddings', backend: 'openai' },
    ...{ answer: null, isStreamed: false },
    body: { model: EMBEDDER, input: ['one', 'two'] },
  },
  { what: 'chat', path: '/api/chat', backend: 'ollama', body: V1(OLLAMA) },
  {
    ...{ what: 'an image and a tool', path: '/api/chat', backend: 'ollama', answer: null },
    body: { model: OLLAMA, messages: [{ ...messages[0], images: [PIXEL] }], tools: [TOOL] },
  },
  {
    ...{ what: 'a generation', path: '/api/generate', backend: 'ollama' },
    body: { model: OLLAMA, prompt: 'What is 12 * 3?', think: false },
  },
  {
    ...{ what: 'embeddings of several', path: '/api/embed', backend: 'ollama' },
    ...{ answer: null, isStreamed: false },
    body: { model: EMBEDDER, input: ['one', 'two'] },
  },
  {
    ...{ what: 'an embedding', path: '/api/embeddings', backend: 'ollama' },
    ...{ answer: null, isStreamed: false },
    body: { model: EMBEDDER, prompt: 'one' },
  },
];

/** The tasks of each row: asked together, because what takes time is the waiting for one after another. */
const TASKS = new Map<Row, { readonly quiet: string; readonly aloud: string }>();

beforeAll(async () => {
  standIn.behave = ({ tools }) => (tools.length === 0 ? {} : { answer: '', toolCalls: [WEATHER] });
  const files = CALLS.flatMap((call) => [taskFile(call), taskFile(call, { stream: true })]);
  const ids = await commitAllOnMain(bridge, files);
  for (const [at, call] of CALLS.entries())
    TASKS.set(call, { quiet: ids[2 * at] ?? '', aloud: ids[2 * at + 1] ?? '' });
});

test.each(CALLS)(
  '$path of $backend, $what: streamed or not, the response is what the server says',
  async (call) => {
    const { answer: text = '36', isStreamed = true } = call;
    const { quiet, aloud } = TASKS.get(call) ?? { quiet: '', aloud: '' };
    for (const task of [quiet, aloud]) {
      const answer = await answerTo(task);
      expect(answer).toMatchObject({ answer: text, error: null, backend: call.backend });
      expect(answer).not.toHaveProperty('dropped');
      const said = await askDirectly(call, isStreamed ? false : undefined);
      // Beside tool calls llama.cpp says that there is no text as '', OpenAI as null.
      const isV1 = call.path.startsWith('/v1/');
      const told = JSON.parse(isV1 ? said.replace('"content":"",', '"content":null,') : said) as unknown;
      expect(answer.response).toEqual({ status: 200, body: told });
    }
    const pieces = await wholeStream(call, aloud);
    const streamed = isStreamed ? await askDirectly(call, true) : '';
    const separator = call.path.startsWith('/api/') ? '\n' : '\n\n';
    expect(eventsOf(pieces)).toEqual(streamed.split(separator).filter((event) => event !== ''));
    // Who shows the text alone has it as well.
    expect(pieces.map((piece) => ('text' in piece ? piece.text : '')).join('')).toBe(text ?? '');
    expect(pieces.at(-1)).toEqual({ end: true });
  },
);

/** Waits until the model server has this question. */
async function isAsked(question: string): Promise<void> {
  const isThere = () => standIn.requests.some(({ body }) => JSON.stringify(body ?? '').includes(question));
  await waitUntil(isThere, `${question} at the model server`);
}

const chat = (content: string, more: Record<string, unknown> = {}): Call => ({
  ...{ path: '/v1/chat/completions', backend: 'lmstudio' },
  body: { model: LMSTUDIO, messages: [{ role: 'user', content }], ...more },
});

test('a cancel ends a call that would go on for ever', async () => {
  standIn.behave = () => ({ answer: 'one two', pause: { afterChunks: 1, until: new Promise(() => {}) } });
  const task = await ask(chat('for ever'), { stream: true });
  await isAsked('for ever');
  await runCliHere(['cancel', task, '--repo', bridge.repoPath], { env: bridge.ownerEnv });
  const answer = await answerTo(task);
  expect(answer).toMatchObject({ answer: null, error: { code: 'cancelled' } });
  expect(answer).not.toHaveProperty('response');
});

/** Larger than an answer may be, and nothing in it comes twice. */
const ENDLESS = Array.from({ length: 1_400_000 }, (_, at) => at).join(' ');

test('what cannot be answered says so, each in its own way', async () => {
  const refusal = { error: { message: "'temperature' is no number", type: 'invalid_request_error' } };
  standIn.behave = ({ question, wire }) => {
    if (question === 'refuse') {
      return { refuse: { kind: 'http', status: 400, body: JSON.stringify(refusal) } };
    }
    if (question === 'fall back' && wire === 'ollama') {
      return { refuse: { kind: 'http', status: 404, body: '404 page not found' } };
    }
    if (question === 'break') return { answer: 'one two', fault: { afterChunks: 1, kind: 'error' } };
    return question === 'too much' ? { answer: ENDLESS, pieceChars: 100_000 } : {};
  };
  const said = [{ role: 'user', content: 'fall back' }];
  const [refused, nobody, broken, fallback, tooMuch] = [
    await ask(chat('refuse')),
    await ask({ ...chat('2+2', { model: 'nobody' }) }),
    await ask(chat('break'), { stream: true }),
    await ask({ path: '/v1/chat/completions', body: { messages: said } }),
    await ask(chat('too much')),
  ];
  expect(await answerTo(refused)).toMatchObject({
    error: { code: 'backend_refused' },
    response: { status: 400, body: refusal },
  });
  expect((await answerTo(nobody)).error?.code).toBe('model_not_found');
  const half = await answerTo(broken);
  expect(half).toMatchObject({ answer: null, error: { code: 'backend_error' }, attempts: 3 });
  expect(half).not.toHaveProperty('response');
  expect((await bridge.answersLog()).filter(({ task_commit }) => task_commit === broken)).toHaveLength(1);
  expect(await answerTo(fallback)).toMatchObject({ backend: 'lmstudio', error: null });
  const large = await answerTo(tooMuch);
  expect(large.error?.code).toBe('answer_too_large');
  expect(large).not.toHaveProperty('response');
});

test('an agent that is killed in the middle of a stream answers after its next start, once', async () => {
  const held = gate();
  standIn.behave = () => ({ answer: 'one two three', pause: { afterChunks: 1, until: held.opened } });
  const task = await ask(chat('count'), { stream: true });
  const stopping = new AbortController();
  onCleanup(() => stopping.abort());
  // It goes on when it is heard, so that its stream is not lost.
  const next = gate();
  let isKilled = false;
  const heard = listen(task, stopping.signal, (piece) => {
    if ('begin' in piece && isKilled) next.open();
  });
  await isAsked('count');
  agent.signal('SIGKILL');
  await agent.exited;
  isKilled = true;
  standIn.behave = () => ({ answer: 'one two three', pause: { afterChunks: 1, until: next.opened } });
  await runAgentOnceHere(bridge, standIn, { state: 'requests', args: agentArgs() });
  expect(await answerTo(task)).toMatchObject({ answer: 'one two three', error: null });
  const pieces = await heard;
  const last = pieces.findLastIndex((piece) => 'begin' in piece);
  expect(eventsOf(pieces.slice(last)).join()).toContain('three');
  expect((await bridge.answersLog()).filter(({ task_commit }) => task_commit === task)).toHaveLength(1);
});

test('an agent without life of its server for the idle deadline ends the call', async () => {
  const args = [...agentArgs(), '--idle-timeout', '0.3', '--retry-window', '0'];
  standIn.behave = () => ({ answer: 'one two', pause: { afterChunks: 1, until: new Promise(() => {}) } });
  const task = await ask(chat('silence'));
  const { stderr } = await runAgentOnceHere(bridge, standIn, { state: 'requests', args });
  expect(stderr).toContain('idle deadline');
  expect((await answerTo(task)).error).toMatchObject({
    code: 'timeout',
    message: expect.stringContaining('idle deadline'),
  });
});
