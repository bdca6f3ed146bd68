import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../src/demo/free-port.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type RunningAgent, startAgentHere } from '../support/agent-here.js';
import {
  chatsOf,
  gate,
  questionsOf,
  runAgentOnce,
  runAgentOnceHere,
  startAgent,
} from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { IS_FULL_LENGTH } from '../support/test-length.js';
import { waitUntil } from '../support/wait-until.js';

/** The tasks that two agents share. */
const MANY = IS_FULL_LENGTH ? 20 : 8;

let bridge: BridgeFixture;
let standIn: StandIn;

beforeAll(async () => {
  bridge = await startBridgeFixture({
    principals: [
      { name: 'home-pc', role: 'agent' },
      { name: 'attic-pc', role: 'agent' },
      { name: 'bot', role: 'asker' },
    ],
  });
});
beforeEach(async () => {
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
});

/** Asks on the server, with these fields of task.json besides the prompt; returns the task's id. */
async function ask(question: string, fields: Record<string, unknown> = {}): Promise<string> {
  // Each is its own, also one that was asked before.
  return commitOnMain(bridge, {
    path: 'task.json',
    content: JSON.stringify({ id: randomUUID(), prompt: question, ...fields }),
  });
}

/** The record of a task, once it is in the log. */
function recordOf(task: string) {
  return waitUntil(
    async () => (await bridge.answersLog()).find((record) => record.task_commit === task),
    `task ${task} in answers.log`,
    45_000,
  );
}

async function stop(agent: RunningAgent): Promise<void> {
  agent.signal('SIGTERM');
  expect(await agent.exited).toEqual({ exitCode: 0, signal: null });
}

test('a JSON Schema that is never done is answered with an error, and the agent goes on', async () => {
  const levels = Array.from({ length: 40 }, (_, level) => {
    const below = { $ref: `#/$defs/${level + 1}` };
    return [level, { anyOf: [below, below] }];
  });
  const hostile = { $ref: '#/$defs/0', $defs: { ...Object.fromEntries(levels), 40: { type: 'null' } } };
  const never = await ask('30+1', { format: hostile });
  const wrong = await ask('30+2', { format: { type: 'strng' } });
  const good = await ask('30+3', { format: { type: 'integer' } });

  const ended = await runAgentOnce(bridge, standIn, { state: 'schemas' });

  expect(ended.exitCode).toBe(0);
  expect((await recordOf(never)).error).toMatchObject({
    code: 'invalid_schema',
    message: expect.stringContaining('to check'),
  });
  expect((await recordOf(wrong)).error?.code).toBe('invalid_schema');
  expect(await recordOf(good)).toMatchObject({ answer: '33', error: null });
});

test('--once with nothing pending ends with 0 and prints nothing on stdout', async () => {
  const ended = await runAgentOnce(bridge, standIn, { state: 'nothing' });

  expect(ended).toMatchObject({ exitCode: 0, stdout: '' });
  expect(ended.stderr).not.toMatch(/warn|error/);
  expect(standIn.requests).toHaveLength(0);
});

test('tasks pushed quickly into task.txt are all answered in the order of asking, the overwritten ones too', async () => {
  const bot = bridge.principal('bot');
  const clone = join(bot.home, 'clone');
  const as = ['-c', 'user.name=bot', '-c', 'user.email=bot@example.invalid'];
  const env = { ...bot.env, GIT_AUTHOR_NAME: 'bot', GIT_COMMITTER_NAME: 'bot' };
  await gitOk(['clone', '--quiet', bridge.sshUrl, clone], { env });
  for (const question of ['1+1', '1+2', '1+3']) {
    await writeFile(join(clone, 'task.txt'), question);
    await gitOk([...as, 'add', 'task.txt'], { cwd: clone, env });
    await gitOk([...as, 'commit', '--quiet', '-m', `ask: ${question}`], { cwd: clone, env });
  }
  await gitOk(['push', '--quiet', 'origin', 'HEAD:main'], { cwd: clone, env });
  const logged = (await bridge.answersLog()).length;

  expect(await runAgentOnceHere(bridge, standIn, { state: 'quick' })).toMatchObject({ exitCode: 0 });

  const records = (await bridge.answersLog()).slice(logged);
  expect(records.map((record) => [record.task_text, record.answer])).toEqual([
    ['1+1', '2'],
    ['1+2', '3'],
    ['1+3', '4'],
  ]);
  expect(questionsOf(standIn)).toEqual(['1+1', '1+2', '1+3']);
});

test('an answer that lost the race for main is built again on the new tip, and history stays one line', async () => {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const agent = await startAgentHere(bridge, standIn, { state: 'race' });
  const first = await ask('10+1');
  await agent.waitFor('stderr', new RegExp(`task ${first.slice(0, 8)} .*answering`));
  // The agent's clone is at the first task now; main moves on while the model thinks.
  const second = await ask('10+2');
  await commitOnMain(bridge, { path: 'task.txt', content: '10+3' });
  held.open();

  expect((await recordOf(first)).answer).toBe('11');
  expect((await recordOf(second)).answer).toBe('12');
  await agent.waitFor('stderr', /(answered by[\s\S]*){3}/);
  await stop(agent);
  expect(await gitOk(['rev-list', '--merges', 'main'], { gitDir: bridge.repoPath })).toBe('');
  expect(chatsOf(standIn)).toHaveLength(3);
});

test(`two agents on ${MANY} tasks answer and log each exactly once`, async () => {
  const tasks: string[] = [];
  for (let number = 0; number < MANY; number += 1) {
    tasks.push(await commitOnMain(bridge, { path: 'task.txt', content: `20+${number}` }));
  }
  const both = await Promise.all([
    startAgentHere(bridge, standIn, { as: 'home-pc', state: 'one', parallel: 2 }),
    startAgentHere(bridge, standIn, { as: 'attic-pc', state: 'two', parallel: 2 }),
  ]);
  for (const task of tasks) await recordOf(task);
  for (const agent of both) await stop(agent);

  const answered = (await bridge.answersLog()).map((record) => record.task_commit);
  expect(answered.filter((task) => tasks.includes(task))).toHaveLength(MANY);
  expect(new Set(answered).size).toBe(answered.length);
  const records = (await bridge.answersLog()).filter((record) => tasks.includes(record.task_commit));
  expect(records.map((record) => record.answer).sort()).toEqual(
    tasks.map((_, number) => String(20 + number)).sort(),
  );
});

test('--parallel 3 generates three answers at once', async () => {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const tasks = [await ask('30+1'), await ask('30+2'), await ask('30+3'), await ask('30+4')];
  const agent = await startAgent(bridge, standIn, { state: 'parallel', args: ['--parallel', '3'] });

  await waitUntil(() => chatsOf(standIn).length === 3, 'three questions at the model server');
  held.open();
  for (const task of tasks) await recordOf(task);
  expect(questionsOf(standIn)).toHaveLength(4);
  await stop(agent);
});

describe('the model server', () => {
  test('falls back from Ollama to LM Studio where nothing listens', async () => {
    const task = await ask('40+1');
    const ended = await runAgentOnceHere(bridge, standIn, {
      state: 'models',
      args: ['--ollama-url', `http://127.0.0.1:${await freePort()}`],
    });

    expect(ended.exitCode).toBe(0);
    expect(await recordOf(task)).toMatchObject({ answer: '41', backend: 'lmstudio' });
  });

  test('falls back from LM Studio to Ollama in the other order', async () => {
    const task = await ask('40+2');
    const ended = await runAgentOnceHere(bridge, standIn, {
      state: 'models',
      args: ['--backend', 'lmstudio,ollama', '--lmstudio-url', `http://127.0.0.1:${await freePort()}/v1`],
    });

    expect(ended.exitCode).toBe(0);
    expect(await recordOf(task)).toMatchObject({ answer: '42', backend: 'ollama' });
  });

  test('is answered for as backend_unreachable once both are away longer than --retry-window', async () => {
    const task = await ask('40+3');
    const ended = await runAgentOnceHere(bridge, standIn, {
      state: 'models',
      args: [
        ...['--ollama-url', `http://127.0.0.1:${await freePort()}`],
        ...['--lmstudio-url', `http://127.0.0.1:${await freePort()}/v1`],
        ...['--retry-window', '0.2'],
      ],
    });

    expect(ended).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await recordOf(task)).toMatchObject({
      answer: null,
      model: null,
      backend: null,
      error: { code: 'backend_unreachable', message: expect.stringMatching(/ollama.*lmstudio/) },
    });
  });

  test('has the time of --total-timeout for a task without timeout_s', async () => {
    standIn.behave = () => ({ firstTokenAfter: gate().opened });
    const task = await ask('40+5');
    const ended = await runAgentOnceHere(bridge, standIn, {
      state: 'models',
      args: ['--total-timeout', '0.3'],
    });

    expect(ended.exitCode).toBe(0);
    expect((await recordOf(task)).error).toEqual({
      code: 'timeout',
      message: 'no complete answer within 300 ms (total deadline)',
    });
  });

  test('is the one of --backend, and the model the one of --model', async () => {
    standIn.models = { ollama: ['other:latest'], lmstudio: ['first', 'second'], openai: [] };
    const task = await ask('40+4');
    const ended = await runAgentOnceHere(bridge, standIn, {
      state: 'models',
      args: ['--backend', 'lmstudio', '--model', 'second'],
    });

    expect(ended.exitCode).toBe(0);
    expect(await recordOf(task)).toMatchObject({ answer: '44', backend: 'lmstudio', model: 'second' });
    expect(chatsOf(standIn).map(({ path }) => path)).toEqual(['/v1/chat/completions']);
  });

  test('gets its token, and its model the longest context and the leave for the cloud, from the command line', async () => {
    const token = 'sk-lm-secret';
    const file = join(bridge.dir, 'lmstudio-token');
    await writeFile(file, `${token}\n`, { mode: 0o600 });
    const other = await startStandIn({
      token,
      models: { ollama: ['llama3.2:latest', { name: 'big:cloud', remoteHost: 'https://ollama.com' }] },
    });
    onCleanup(() => other.close());
    const long = await ask(`${'word '.repeat(3000)}40+6`, { backend: 'ollama' });
    const cloud = await ask('40+7', { backend: 'ollama', model: 'big:cloud' });
    const local = await ask('40+8', { backend: 'lmstudio' });
    const v1 = await ask('40+9', { backend: 'openai' });

    const ended = await runAgentOnceHere(bridge, other, {
      state: 'models',
      args: [
        ...['--allow-cloud', '--max-context', '2048', '--lmstudio-token-file', file],
        ...['--openai-url', other.openaiUrl, '--openai-key-file', file],
      ],
    });

    expect(ended.exitCode).toBe(0);
    const { error } = await recordOf(long);
    expect(error).toMatchObject({
      code: 'context_overflow',
      message: expect.stringContaining('the context 2048, which is --max-context of the agent'),
    });
    expect(await recordOf(cloud)).toMatchObject({ answer: '47', model: 'big:cloud' });
    expect(await recordOf(local)).toMatchObject({ answer: '48', backend: 'lmstudio' });
    expect(await recordOf(v1)).toMatchObject({ answer: '49', backend: 'openai', error: null });
    expect(ended.stderr).not.toContain(token);
  });

  test('that lacks the model of a task is answered for with the models it has', async () => {
    const task = await ask('40+5', { model: 'gone:7b' });
    expect(await runAgentOnceHere(bridge, standIn, { state: 'models' })).toMatchObject({ exitCode: 0 });

    expect(await recordOf(task)).toMatchObject({
      error: { code: 'model_not_found', message: expect.stringContaining('llama3.2:latest') },
    });
  });
});

describe('the address', () => {
  test('may be user@host:path, with the port in GIT_SSH_COMMAND', async () => {
    const task = await ask('50+1');
    const ended = await runAgentOnceHere(bridge, standIn, { state: 'scp', repo: bridge.scpUrl });

    expect(ended).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await recordOf(task)).toMatchObject({ answer: '51', agent: 'home-pc' });
  });

  test('may be the local path of the owner, who gives the agent a name', async () => {
    const task = await ask('50+2');
    const agent = await startAgentHere(bridge, standIn, {
      state: 'local',
      repo: bridge.repoPath,
      name: 'closet-pc',
    });

    expect(await recordOf(task)).toMatchObject({ answer: '52', agent: 'closet-pc' });
    // Without polling: the doorbell rings for a local bridge too.
    const later = await ask('50+3');
    expect(await recordOf(later)).toMatchObject({ answer: '53' });
    await stop(agent);
  });

  test('of an asker key is refused before anything is asked of a model', async () => {
    const ended = await runAgentOnceHere(bridge, standIn, { as: 'bot', state: 'asker' });

    expect(ended).toMatchObject({ exitCode: 1, stdout: '' });
    expect(ended.stderr).toMatch(/^error: .*bot has the role asker.*\ntry: .*--role agent.*\n$/m);
    expect(standIn.requests).toHaveLength(0);
  });
});

test('a task.txt that is a symlink, an executable, not UTF-8 or too large is answered with invalid_task, and later tasks are answered', async () => {
  const agent = await startAgentHere(bridge, standIn, { state: 'invalid' });
  for (const [file, message] of [
    [{ mode: '120000', content: '/etc/passwd' }, /not a plain file \(mode 120000\)/],
    [{ mode: '100755', content: '60+1' }, /not a plain file \(mode 100755\)/],
    [{ mode: '100644', content: Buffer.from([0xff, 0xfe, 0x41]) }, /not valid UTF-8/],
    [{ mode: '100644', content: 'x'.repeat(8 * 1024 * 1024 + 1) }, /larger than 8388608 bytes/],
  ] as const) {
    const bad = await commitOnMain(bridge, { path: 'task.txt', ...file });
    const good = await ask('60+2');

    expect(await recordOf(good)).toMatchObject({ answer: '62' });
    const record = await recordOf(bad);
    expect(record).toMatchObject({ answer: null, error: { code: 'invalid_task' } });
    expect(record.error?.message).toMatch(message);
    expect(JSON.stringify(record)).not.toContain('root:');
  }
  await stop(agent);
});

test('a rewritten main stops the agent with the alarm, and says what was there', async () => {
  const { repoPath, ownerEnv } = bridge;
  const agent = await startAgent(bridge, standIn, { state: 'alarm' });
  const task = await ask('70+1');
  const record = await recordOf(task);
  const where = { gitDir: repoPath, env: ownerEnv };
  await waitUntil(
    async () =>
      (
        await gitOk(['rev-parse', 'refs/remotes/bridge/main'], {
          gitDir: join(bridge.dir, 'state-alarm', 'bridge.git'),
        })
      ).trim() === record.commit,
    'the clone to have the answer',
  );

  await gitOk(['update-ref', 'refs/heads/main', `${task}^`], where);
  onCleanup(() => gitOk(['update-ref', 'refs/heads/main', record.commit], where).then(() => {}));

  expect(await agent.exited).toEqual({ exitCode: 1, signal: null });
  expect(agent.stderr()).toMatch(
    new RegExp(`error: main of .* was rewound or rewritten; this clone had it at ${record.commit}\ntry: `),
  );
});
