import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { stream } from '../../src/index.js';
import { startAgentHere } from '../support/agent-here.js';
import { gate } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startOnTerminal } from '../support/on-terminal.js';
import { Screen } from '../support/screen.js';

const TOOLS = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
const chatBody = (content: string) => ({ messages: [{ role: 'user', content }] });

let bridge: BridgeFixture;
let standIn: StandIn;
/** Opens when the first text of an answer was heard. */
const heard = gate();

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  standIn = await startStandIn({
    models: {
      ollama: [{ name: 'llama3.2' }, { name: 'nomic-embed-text', capabilities: ['embedding'] }],
    },
    behave: ({ question }) => ({
      ...(question.includes('weather') && { toolCalls: [{ name: 'weather', arguments: { in: 'Rome' } }] }),
      ...(question.includes('llamas') && { pause: { afterChunks: 1, until: heard.opened } }),
    }),
  });
  onCleanup(() => standIn.close());
  await startAgentHere(bridge, standIn, { state: 'requests' });
  const files = { 'body.json': chatBody('2+2'), 'tools.json': TOOLS };
  for (const [name, value] of Object.entries(files))
    await writeFile(join(bridge.dir, name), JSON.stringify(value));
});

const file = (name: string) => join(bridge.dir, name);
const env = () => bridge.principal('bot').env;
/** As an asker with a key, over ssh. */
const bot = (...args: string[]) => runCliHere([...args, '--repo', bridge.sshUrl], { env: env() });

test('the body of a chat completion is asked as it is, and its text is printed', async () => {
  expect(await bot('ask', '--request', file('body.json'))).toEqual({
    exitCode: 0,
    stdout: '4\n',
    stderr: '',
  });
});

test('a whole call comes from standard input, and the record has the whole response, as answer --json has it later', async () => {
  const call = JSON.stringify({ path: '/api/chat', body: chatBody('3+3') });
  const asked = await runCli(['ask', '--request', '-', '--json', '--repo', bridge.sshUrl], {
    env: env(),
    input: call,
  });
  expect(asked).toMatchObject({ exitCode: 0, stderr: '' });
  const record = JSON.parse(asked.stdout);
  expect(record).toMatchObject({
    ...{ answer: '6', error: null, asker: 'bot' },
    response: { status: 200, body: { message: { role: 'assistant', content: '6' }, done: true } },
  });
  const later = await bot('answer', record.task_commit, '--json');
  expect(JSON.parse(later.stdout)).toEqual(record);
});

test('a text becomes a vector', async () => {
  const { exitCode, stdout, stderr } = await bot('ask', '--embed', 'a llama');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const vector = JSON.parse(stdout) as number[];
  expect(vector.length).toBeGreaterThan(1);
  expect(vector.every((one) => typeof one === 'number')).toBe(true);
  const again = await bot('ask', '--embed', 'a llama', '--json');
  expect(JSON.parse(again.stdout).response.body.data[0].embedding).toEqual(vector);
});

test('with tools the calls of the model are printed, or its text where it calls none', async () => {
  const called = await bot('ask', 'the weather in Rome?', '--tools', file('tools.json'));
  expect(called).toMatchObject({ exitCode: 0, stderr: '' });
  const [call] = JSON.parse(called.stdout);
  expect({ name: call.function.name, arguments: JSON.parse(call.function.arguments) }).toEqual({
    name: 'weather',
    arguments: { in: 'Rome' },
  });
  const plain = await bot('ask', '4+4', '--tools', file('tools.json'), '--system', 'Be short.');
  expect(plain).toEqual({ exitCode: 0, stdout: '8\n', stderr: '' });
});

test('a call that an agent does not pass on says which field it is, and exits with 1', async () => {
  const body = {
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://x.invalid/' } }] }],
  };
  await writeFile(file('bad.json'), JSON.stringify(body));
  const asked = await bot('ask', '--request', file('bad.json'));
  expect(asked).toMatchObject({ exitCode: 1, stdout: '' });
  expect(asked.stderr).toMatch(/^error: request_refused: .*image_url/);
  expect(asked.stderr).toContain('try: leave out of the request what the message names');
});

test('the library says the text of a call while it comes, and hands over the response', async () => {
  const pieces: string[] = [];
  const request = { path: '/v1/chat/completions', body: chatBody('tell me of llamas in many words') };
  for await (const piece of stream({ repo: bridge.sshUrl, task: { request }, env: env() })) {
    if ('text' in piece) {
      pieces.push(piece.text);
      heard.open();
    }
    if ('restart' in piece) pieces.length = 0;
    if (!('outcome' in piece)) continue;
    if (piece.outcome.status !== 'answered') throw new Error(piece.outcome.status);
    const { answer, response } = piece.outcome.answer;
    expect(pieces.join('')).toBe(answer);
    expect(response).toMatchObject({ status: 200, body: { object: 'chat.completion' } });
  }
  // The model went on only when its first word was heard: without a stream this would never end.
  expect(pieces.length).toBeGreaterThan(1);
});

test('on a terminal the text of a call stands there once', async ({ skip }) => {
  const run = await startOnTerminal(['ask', '--request', file('body.json'), '--repo', bridge.sshUrl], env());
  if (run === null) return skip('there is no script(1) that can make a terminal');
  expect(await run.exited).toBe(0);
  const screen = new Screen({ columns: 100, rows: 24 });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a title begins with an escape
  screen.write(run.shown().replaceAll(/\u001b\][^\u0007]*\u0007/g, ''));
  expect(screen.text()).toBe('4\n');
});

test('a server that takes no requests is named before anything is asked there, and other questions are answered', async () => {
  const command = join(bridge.repoPath, 'bridge', 'ssh-command');
  const text = await readFile(command, 'utf8');
  const tip = () => gitOk(['rev-parse', 'main'], { gitDir: bridge.repoPath });
  const before = await tip();
  await writeFile(command, text.replace('"requests",', ''));
  const asked = await bot('ask', '--embed', 'x');
  expect(asked).toMatchObject({ exitCode: 1, stdout: '' });
  expect(asked.stderr).toMatch(
    /^error: the bridge takes no requests .*\ntry: .*"llm-bridge init" on the server/,
  );
  expect(await tip()).toBe(before);
  expect(await bot('ask', '5+5')).toMatchObject({ exitCode: 0, stdout: '10\n' });
  await writeFile(command, text);
});
