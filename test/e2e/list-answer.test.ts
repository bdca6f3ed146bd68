import { beforeAll, expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { runAgentOnceHere } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { botAsks, PLACES, type Place, runFrom } from '../support/from-place.js';
import { gitOk } from '../support/git.js';
import { writeMany } from '../support/message-writer.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

let bridge: BridgeFixture;
let answered: string;
let failed: string;
let pending: string;

/** One answered, one answered with an error, one that waits. */
beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  answered = await ask('2+2');
  failed = await ask('3+3', '--model', 'gone');
  const agent = await runAgentOnceHere(bridge, standIn, { state: 'list' });
  expect(agent.exitCode, agent.stderr).toBe(0);
  pending = await ask('4+4');
});

const ask = (...args: string[]) => botAsks(bridge, ...args);

/** Runs a command of `src` here, as the owner by the path, or as the bot over ssh. */
const read = (where: Place, ...args: string[]) => runFrom(bridge, where, args);

/** The same by the built program. */
const readBuilt = (where: Place, ...args: string[]) => runFrom(bridge, where, args, runCli);

function rows(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test.each(PLACES)('list --json is a line for each task and what became of it, %s', async (where) => {
  const { exitCode, stdout, stderr } = await readBuilt(where, 'list', '--json');

  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(rows(stdout)).toEqual([
    {
      task: answered,
      state: 'done',
      asker: 'bot',
      asked_at: expect.stringMatching(/Z$/),
      question: '2+2',
      agent: 'home-pc',
      answered_at: expect.stringMatching(/Z$/),
      answer: expect.stringMatching(/^4 \(llama3\.2:latest via ollama, \d+ ms\)$/),
      work: null,
      waits_for: null,
      waiting: null,
      place: null,
    },
    expect.objectContaining({
      task: failed,
      state: 'error',
      question: '3+3',
      answer: expect.stringMatching(/^error model_not_found /),
    }),
    {
      task: pending,
      state: 'pending',
      asker: 'bot',
      asked_at: expect.stringMatching(/Z$/),
      question: '4+4',
      agent: null,
      answered_at: null,
      answer: null,
      work: null,
      waits_for: null,
      waiting: { agents: [], waking_by: null, standby: null },
      place: 1,
    },
  ]);
});

test('list reads well', async () => {
  const { stdout } = await read('local', 'list');

  expect(stdout.split('\n')).toEqual([
    expect.stringMatching(
      new RegExp(
        `^${answered.slice(0, 8)}  done +(?:under )?\\d+ s ago  bot: 2\\+2  →  4 \\(.*\\), by home-pc$`,
      ),
    ),
    expect.stringMatching(
      new RegExp(`^${failed.slice(0, 8)}  error .*  bot: 3\\+3  →  error model_not_found .*, by home-pc$`),
    ),
    expect.stringMatching(new RegExp(`^${pending.slice(0, 8)}  pending .*  bot: 4\\+4  →  next$`)),
    '',
  ]);
});

test('list -n takes the newest of those that are over, and all that are open; --state takes one kind', async () => {
  const tasks = async (...args: string[]) =>
    rows((await read('local', 'list', '--json', ...args)).stdout).map(({ task }) => task);

  expect(await tasks('-n', '1')).toEqual([failed, pending]);
  expect(await tasks('-n', '0')).toEqual([pending]);
  expect(await tasks('--state', 'done')).toEqual([answered]);
  expect(await tasks('--state', 'running')).toEqual([]);
  expect(await read('local', 'list', '--state', 'asleep')).toMatchObject({ exitCode: 2, stdout: '' });
});

test.each(PLACES)('answer prints the answer to a task by the beginning of its id, %s', async (where) => {
  expect(await read(where, 'answer', answered.slice(0, 10))).toEqual({
    exitCode: 0,
    stdout: '4\n',
    stderr: '',
  });
  const { stdout } = await read(where, 'answer', answered, '--json');
  const [record] = (await bridge.answersLog()).filter(({ task_commit }) => task_commit === answered);
  const { seq: _seq, ingested_at: _at, ...expected } = record ?? {};
  expect(JSON.parse(stdout)).toEqual(expected);
});

test.each(PLACES)('answer to one with an error and to one that waits: 1 and 75, %s', async (where) => {
  const withError = await read(where, 'answer', failed);
  expect(withError).toMatchObject({ exitCode: 1, stdout: '' });
  expect(withError.stderr).toMatch(/^error: model_not_found: .*\ntry: .*\n$/);

  const waiting = await read(where, 'answer', pending);
  expect(waiting).toMatchObject({ exitCode: 75, stdout: '' });
  expect(waiting.stderr).toMatch(/^error: no answer yet to \w{8}\ntry: .*\n$/);
});

test.each(PLACES)('answer says so where there is no such task, or the text is no id, %s', async (where) => {
  // The commit of an answer is no task.
  const [commit = ''] = (await bridge.answersLog()).map((record) => record.commit);
  for (const id of ['0000000000', commit]) {
    const unknown = await read(where, 'answer', id);
    expect(unknown).toMatchObject({ exitCode: 1, stdout: '' });
    expect(unknown.stderr).toMatch(/^error: no task on this bridge begins with .*\ntry: "llm-bridge list"/);
  }
  for (const id of ['abc', 'main', '--json=']) {
    const wrong = await read(where, 'answer', id);
    expect(wrong).toMatchObject({ exitCode: 2, stdout: '' });
  }
});

test('a beginning that several tasks have is refused with their ids', async () => {
  const inBridge = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const ids: string[] = [];
  let tip = (await gitOk(['rev-parse', 'main'], inBridge)).trim();
  let start: string | undefined;
  // Of a thousand some pair has its first four digits in common, as birthdays go; mostly of fewer.
  while (start === undefined) {
    ids.push(...(await writeMany(inBridge, tip, 250)));
    tip = ids.at(-1) ?? '';
    const starts = ids.map((id) => id.slice(0, 4));
    start = starts.find((one, index) => starts.indexOf(one) !== index);
  }
  await gitOk(['update-ref', 'refs/heads/main', tip], inBridge);
  const twins = ids.filter((id) => id.startsWith(start ?? ''));

  const { exitCode, stderr } = await read('local', 'answer', start);

  expect(exitCode).toBe(2);
  expect(stderr).toContain(`${twins.length} tasks begin with ${start}`);
  for (const id of twins) expect(stderr).toContain(id.slice(0, 8));
});

test('who stops waiting is told how to get the answer later', async () => {
  const { exitCode, stderr } = await read('ssh', 'ask', '5+5', '--timeout', '1');

  expect(exitCode).toBe(75);
  const id = /the task stays asked: ([0-9a-f]{40})\n/.exec(stderr)?.[1] ?? '';
  const [warning, remedy, ...rest] = stderr.split('\n');
  // The only agent so far was one that stays for nothing.
  expect(warning).toBe('warning: no agent has said yet that it is there; the task waits');
  expect(remedy).toMatch(/^try: .*llm-bridge agent/);
  expect(rest.join('\n')).toBe(
    `error: no answer yet; the task stays asked: ${id}\ntry: llm-bridge answer ${id.slice(0, 8)} --repo ${bridge.sshUrl}; or end it: llm-bridge cancel ${id.slice(0, 8)} --repo ${bridge.sshUrl}\n`,
  );
  expect((await read('ssh', 'answer', id.slice(0, 8))).exitCode).toBe(75);
});

test('what nobody answered in time is expired, for list and for answer', async () => {
  await gitOk(['config', 'bridge.taskTtl', '1s'], { gitDir: bridge.repoPath, env: bridge.ownerEnv });
  await waitUntil(
    async () => rows((await read('local', 'list', '--state', 'pending', '--json')).stdout).length === 0,
    'all that waited is expired',
  );

  for (const where of PLACES) {
    const { stdout } = await read(where, 'list', '--state', 'expired', '--json', '-n', '5000');
    expect(rows(stdout)).toContainEqual(
      expect.objectContaining({ task: pending, state: 'expired', agent: null, answered_at: null }),
    );
    const tooOld = await read(where, 'answer', pending);
    expect(tooOld).toMatchObject({ exitCode: 1, stdout: '' });
    expect(tooOld.stderr).toMatch(/^error: \w{8} was not answered within 1 s, .*\ntry: .*\n$/);
    expect((await read(where, 'answer', answered)).stdout).toBe('4\n');
  }
});
