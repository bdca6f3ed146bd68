import { appendFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { runAgentOnceHere } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli, startCli } from '../support/cli.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { botAsks, type Place, runFrom } from '../support/from-place.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startOnTerminal } from '../support/on-terminal.js';
import { programUnderTest } from '../support/program-under-test.js';
import { runProcess } from '../support/run-process.js';
import { tempDir } from '../support/temp-dir.js';

let bridge: BridgeFixture;
let answerPending: () => Promise<void>;
const ids: string[] = [];

/** A bridge with three answers: a good one, one with control characters and Cyrillic, and an error. */
beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  const standIn = await startStandIn({
    behave: ({ question }) =>
      question === 'red?' ? { answer: 'да, \u001b[31mкрасный\u001b[0m\u0007\nи строка 2\u2028' } : {},
  });
  onCleanup(() => standIn.close());
  answerPending = async () => {
    const { exitCode, stderr } = await runAgentOnceHere(bridge, standIn, { state: 'agent' });
    expect(exitCode, stderr).toBe(0);
  };
  for (const args of [['2+2'], ['red?'], ['2+2', '--model', 'gone']]) ids.push(await ask(...args));
  await answerPending();
});

const ask = (...args: string[]) => botAsks(bridge, ...args);

/** Runs a reading command of `src` here, as the owner by the path, or as the bot over ssh. */
const read = (where: Place, ...args: string[]) => runFrom(bridge, where, args);

/** The same by the built program. */
const readBuilt = (where: Place, ...args: string[]) => runFrom(bridge, where, args, runCli);

test('log --json is answers.log byte for byte, one line a record', async () => {
  const { exitCode, stdout, stderr } = await readBuilt('local', 'log', '--json');

  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toBe(await bridge.readLog());
  expect(stdout).toContain('красный');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that none is there is the point
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u2028]/);
  expect((await bridge.answersLog()).map((record) => record.seq)).toEqual([1, 2, 3]);
});

test('log --json over ssh is the same records from history, without seq and ingested_at', async () => {
  const { exitCode, stdout } = await readBuilt('ssh', 'log', '--json');

  expect(exitCode).toBe(0);
  const expected = (await bridge.answersLog()).map(({ seq: _seq, ingested_at: _at, ...record }) => record);
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(expected);
});

test.each(['local', 'ssh'] as const)(
  'log reads well without colours or control characters in a pipe, %s',
  async (where) => {
    const { exitCode, stdout } = await read(where, 'log');

    expect(exitCode).toBe(0);
    const [first = '', second = '', third = ''] = stdout.split('\n\n');
    expect(first).toMatch(
      /^(1\. )?[0-9a-f]{8} +\S+Z +llama3\.2:latest via ollama, \d+ ms, by home-pc {2}for bot\n {4}2\+2\n {4}4$/,
    );
    expect(second).toContain('красный');
    expect(second).toContain('\n    и строка 2');
    expect(third).toMatch(/error model_not_found: /);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that none is there is the point
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u2028]/);
  },
);

test.each(['local', 'ssh'] as const)(
  'log -n 1 is the newest record alone, and -n 0 none, %s',
  async (where) => {
    const one = await read(where, 'log', '-n', '1', '--json');
    expect(JSON.parse(one.stdout)).toMatchObject({ task_commit: ids[2] });
    expect(await read(where, 'log', '-n', '0', '--json')).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await read(where, 'log', '-n', 'x')).toMatchObject({ exitCode: 2, stdout: '' });
  },
);

test.each(['local', 'ssh'] as const)(
  'log --asker and --model show those records alone, and -n counts them, %s',
  async (where) => {
    const tasksOf = async (...args: string[]) => {
      const { exitCode, stdout, stderr } = await read(where, 'log', '--json', ...args);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      const lines = stdout.split('\n').slice(0, -1);
      return lines.map((line) => (JSON.parse(line) as { task_commit: string }).task_commit);
    };
    expect(await tasksOf('--asker', 'bot')).toEqual(ids);
    expect(await tasksOf('--asker', 'nobody')).toEqual([]);
    // The newest is an error without a model.
    expect(await tasksOf('--model', 'llama3.2', '-n', '1')).toEqual([ids[1]]);
    expect(await tasksOf('--grep', 'КРАСНЫЙ')).toEqual([ids[1]]);
    expect(await tasksOf('--grep', 'model_not', '--grep', 'красный', '-n', '2')).toEqual(ids.slice(1));
    expect(await tasksOf('--agent', 'home-pc', '--status', 'ok')).toEqual([ids[0], ids[1]]);
    expect(await tasksOf('--status', 'model_not_found')).toEqual([ids[2]]);
    expect(await tasksOf('--since', '1 hour ago', '--until', 'today')).toEqual(ids);
    expect(await tasksOf('--since', '1 hour ago', '-n', '2')).toEqual(ids.slice(1));
    expect(await tasksOf('--until', '2.hours.ago')).toEqual([]);
    expect(await read(where, 'log', '--since', 'whenever')).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: --since: must be a time like 2026-11-27, .*\ntry: llm-bridge log --help\n$/,
      ),
    });
    expect(await read(where, 'log', '--status', 'eror')).toMatchObject({ exitCode: 2, stdout: '' });
  },
);

test('log --follow goes on with new records, by the path and over ssh, and ends at a signal with 0', async () => {
  const local = await startCli(['log', '-n', '1', '-f', '--json', '--repo', bridge.repoPath], {
    env: bridge.ownerEnv,
  });
  const remote = await startCli(['log', '-f', '--json', '-n', '1', '--repo', bridge.sshUrl], {
    env: bridge.principal('bot').env,
  });
  const followers = [local, remote];
  for (const follower of followers) await follower.waitFor('stdout', /model_not_found.*\n/);
  const id = await ask('30+3');
  await answerPending();

  for (const follower of followers) {
    await follower.waitFor('stdout', new RegExp(`"task_commit":"${id}".*"answer":"33".*\\n`));
    expect(follower.stdout().trim().split('\n')).toHaveLength(2);
    follower.signal('SIGTERM');
    expect(await follower.exited).toEqual({ exitCode: 0, signal: null });
  }
});

test('log --follow over ssh goes on when the server is back, and says once that it was away', async () => {
  // Its own: the others need their sshd.
  const own = await startBridgeFixture({ hooks: 'here' });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const askAndAnswer = async (question: string) => {
    const id = await botAsks(own, question);
    expect(await runAgentOnceHere(own, standIn, { state: 'agent' })).toMatchObject({ exitCode: 0 });
    return id;
  };
  await askAndAnswer('3+3');
  const follower = await startCli(['log', '-f', '--json', '-n', '1', '--repo', own.sshUrl], {
    env: own.principal('bot').env,
  });
  await follower.waitFor('stdout', /"answer":"6".*\n/);
  await own.sshd.stop();
  await follower.waitFor('stderr', /^warning: .*; trying again until it works\ntry: .*\n/);
  await own.restartSshd();
  const id = await askAndAnswer('40+4');

  await follower.waitFor('stdout', new RegExp(`"task_commit":"${id}".*"answer":"44".*\\n`));
  expect(follower.stderr().trim().split('\n')).toHaveLength(2);
  follower.signal('SIGTERM');
  expect(await follower.exited).toEqual({ exitCode: 0, signal: null });
});

test('a reader that goes away over ssh leaves nothing behind', async () => {
  const folder = await tempDir();
  const env = { ...bridge.principal('bot').env, TMPDIR: folder };
  const script = '"$@" | true; exit $PIPESTATUS';
  const words = [...programUnderTest(), 'log', '--json', '--repo', bridge.sshUrl];
  const { exitCode, stderr } = await runProcess('bash', ['-c', script, 'bash', ...words], { env });

  expect({ exitCode, stderr }).toEqual({ exitCode: 141, stderr: '' });
  expect(await readdir(folder)).toEqual([]);
});

test.each(['local', 'ssh'] as const)('status has figures of the last day, %s', async (where) => {
  const records = await bridge.answersLog();
  const errors = records.filter(({ error }) => error !== null).length;
  const { recent } = JSON.parse((await read(where, 'status', '--json')).stdout);
  expect(recent).toEqual({
    hours: 24,
    answered: records.length,
    errors,
    error_rate: errors / records.length,
    wait_ms: { median: expect.any(Number), p95: expect.any(Number) },
    generate_ms: { median: expect.any(Number), p95: expect.any(Number) },
    tokens_per_s: expect.any(Number),
  });
  const { stdout } = await read(where, 'status');
  expect(stdout).toMatch(
    new RegExp(
      `  last 24 h: ${records.length} answered, ${errors} ${errors === 1 ? 'error' : 'errors'} \\(\\d+ %\\)\n    answer after    .* \\(median\\), .*\n    generating for  .* tokens/s\n`,
    ),
  );
});

test.each(['local', 'ssh'] as const)(
  'status --watch shows what changes, and ends at Ctrl-C with 0, %s',
  async (where) => {
    const options = where === 'local' ? { env: bridge.ownerEnv } : { env: bridge.principal('bot').env };
    const repo = where === 'local' ? bridge.repoPath : bridge.sshUrl;
    const watching = await startCli(['status', '--watch', '--repo', repo], options);
    await watching.waitFor('stdout', /^ {2}0 pending, /m);

    await ask('70+7');
    await watching.waitFor('stdout', /^ {2}1 pending, /m);
    await answerPending();
    await watching.waitFor('stdout', /1 pending, [\s\S]*^ {2}0 pending, /m);

    expect(watching.stdout()).not.toContain('\u001b');
    watching.signal('SIGINT');
    expect(await watching.exited).toEqual({ exitCode: 0, signal: null });
  },
);

test('status --json tells what is pending and what was answered, by the path and over ssh', async () => {
  const task = await ask('40+4');
  const answered = (await bridge.answersLog()).length;

  for (const where of ['local', 'ssh'] as const) {
    const { exitCode, stdout, stderr } = await read(where, 'status', '--json');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const status = JSON.parse(stdout);
    expect(status).toMatchObject({
      pending: [{ task, asker: 'bot', subject: expect.stringMatching(/^ask: 40\+4$/) }],
      expired: 0,
      answered,
      last_answer: { agent: 'home-pc', task: expect.stringMatching(/^[0-9a-f]{40}$/) },
      log_records: where === 'local' ? answered : null,
      task_ttl_ms: 7 * 86_400_000,
    });
    const pretty = await read(where, 'status');
    expect(pretty.stdout).toMatch(new RegExp(`1 pending, ${answered} answered`));
    expect(pretty.stdout).toContain(task.slice(0, 8));
  }
  await answerPending();
  expect(JSON.parse((await read('local', 'status', '--json')).stdout).pending).toEqual([]);
});

test('ingest says what it added, and a log that was lost is written again from history', async () => {
  const before = await bridge.answersLog();
  const none = await read('local', 'ingest');
  expect(none).toEqual({ exitCode: 0, stdout: `0 added, ${before.length} in all\n`, stderr: '' });

  await writeFile(join(bridge.repoPath, 'bridge', 'answers.log'), '');
  const all = await read('local', 'ingest', '--json');

  expect(JSON.parse(all.stdout)).toEqual({
    added: before.length,
    last_seq: before.length,
    repaired_bytes: 0,
  });
  const bare = (records: typeof before) => records.map(({ ingested_at: _at, ...record }) => record);
  expect(bare(await bridge.answersLog())).toEqual(bare(before));
});

test('git log reads as a conversation, and its trailers make a report', async () => {
  const conversation = (await bridge.gitLog('%an: %s')).reverse();
  expect(conversation.slice(1, 7)).toEqual([
    expect.stringMatching(/^bot: ask: 2\+2$/),
    expect.stringMatching(/^bot: ask: red\?$/),
    expect.stringMatching(/^bot: ask: 2\+2$/),
    expect.stringMatching(/^home-pc: answer \w{8}: 4 \(llama3\.2:latest via ollama, \d+ ms\)$/),
    expect.stringMatching(/^home-pc: answer \w{8}: да, \[31mкрасный \[0m и строка 2 \(llama3/),
    expect.stringMatching(/^home-pc: answer \w{8}: error model_not_found \(gone via ollama, \d+ ms\)$/),
  ]);
  const report = async (key: string) =>
    (
      await gitOk(['log', '--reverse', `--format=%(trailers:key=${key},valueonly)`, 'main'], {
        gitDir: bridge.repoPath,
      })
    )
      .split('\n')
      .filter((line) => line !== '');
  expect((await report('Model')).slice(0, 3)).toEqual(['llama3.2:latest', 'llama3.2:latest', 'gone']);
  expect((await report('Status')).slice(0, 3)).toEqual(['ok', 'ok', 'error model_not_found']);
  expect((await report('Task')).slice(0, 3)).toEqual(ids);
  expect((await report('Latency-Ms')).every((ms) => /^\d+$/.test(ms))).toBe(true);
});

test('a subject made by hand cannot move the cursor of whoever reads the status', async () => {
  await commitOnMain(bridge, { path: 'task.txt', content: 'plain', message: 'evil \u001b[2J\u202e subject' });

  const { stdout } = await read('local', 'status');

  // biome-ignore lint/suspicious/noControlCharactersInRegex: that none is there is the point
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  expect(stdout).toContain('evil');
});

test.each(['local', 'ssh'] as const)('stats adds up what was answered, %s', async (where) => {
  const records = await bridge.answersLog();
  const json = await read(where, 'stats', '--json');
  expect(json).toMatchObject({ exitCode: 0, stderr: '' });
  const errors = records.filter(({ error }) => error !== null).length;
  expect(JSON.parse(json.stdout)).toMatchObject({
    ...{ answers: records.length, errors },
    by: {
      model: [
        { name: 'llama3.2:latest', answers: records.length - errors, errors: 0 },
        { name: 'gone', errors },
      ],
      asker: [{ name: 'bot', answers: records.length }],
    },
  });
  const shown = await read(where, 'stats', '--by', 'model', '--since', 'yesterday');
  expect(shown.stdout).toMatch(
    /^all\n {2}.*answers .*tokens\/s\n\nby model\n {2}llama3\.2:latest .*\n {2}gone .*\n$/,
  );
  expect((await read(where, 'stats', '--until', '2020-01-01', '--by', 'day')).stdout).toMatch(
    /^all\n {2}.* 0 answers .*\n\nby day\n {2}nothing was answered\n$/,
  );
  expect(await read(where, 'stats', '--by', 'moon')).toMatchObject({ exitCode: 2, stdout: '' });
});

test('on a terminal log shows the newest twenty through the pager, in local time; who leaves it early has done nothing wrong', async () => {
  const env = { ...bridge.ownerEnv, TZ: 'Asia/Kolkata' };
  const shown = async (more: Record<string, string>, ...args: string[]) => {
    const run = await startOnTerminal(['log', '--repo', bridge.repoPath, ...args], { ...env, ...more });
    if (run === null) throw new Error('there is no script(1) that can make a terminal');
    return { exitCode: await run.exited, text: run.shown().replaceAll('\r\n', '\n') };
  };
  const file = join(bridge.repoPath, 'bridge', 'answers.log');
  const line = (await bridge.readLog()).trimEnd().split('\n').at(-1);
  await appendFile(file, `${line}\n`.repeat(25));

  const paged = await shown({ PAGER: 'false', LLM_BRIDGE_PAGER: "sed 's/^/| /'" });
  expect(paged.exitCode).toBe(0);
  expect(paged.text.match(/^\| .*[0-9a-f]{8} {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0530 {2}/gm)).toHaveLength(
    20,
  );
  const left = await shown({ PAGER: 'head -n 1' });
  expect(left).toMatchObject({ exitCode: 0, text: expect.stringMatching(/^[^\n]*\+0530[^\n]*\n$/) });
  const missing = await shown({ GIT_PAGER: 'no-such-pager -x' });
  expect(missing.exitCode).toBe(1);
  expect(missing.text).toMatch(
    /^error: the pager "no-such-pager -x" cannot be started\ntry: name another in GIT_PAGER, or give --no-pager\n/m,
  );
  const plain = await shown({ GIT_PAGER: 'cat', PAGER: 'false' }, '-n', '1');
  expect(plain).toMatchObject({ exitCode: 0, text: expect.stringContaining('+0530') });
  const none = await shown({ LLM_BRIDGE_PAGER: 'false' }, '-n', '1', '--no-pager');
  expect(none.text).toBe(plain.text);
});
