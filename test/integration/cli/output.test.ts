import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { profilesFile, saveProfile } from '../../../src/bridge/profiles.js';
import type { Answer } from '../../../src/protocol/answer.js';
import { modelsRef, writeModels } from '../../../src/protocol/models.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { programUnderTest } from '../../support/program-under-test.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { answerTask } from '../asker/asker-fixture.js';

/** What a text must not bring to a terminal or into a line: C1, DEL, bidi, U+2028. */
const EVIL = 'a\u009b31mb\u007fc\u202ed\u2066e\u2028f\u0085g';
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it looks for
const EVIL_CHARACTER = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]/;

let bridge: PlainBridge;
let answered: string;
let pending: string;

/** A bridge with an answered task, one that waits, and a model, the same for all tests. */
beforeAll(async () => {
  bridge = await startPlainBridge();
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq2QzxLQZ5v5cZqZ0p3bUO7hW8H2cH3yq2Yk0Wc1n0V test\n';
  await writeFile(join(bridge.dir, 'pc.pub'), key);
  await mkdir(join(bridge.dir, '.ssh'), { mode: 0o700 });
  const added = await runHere('key', 'add', 'home-pc', '--role', 'agent', '--key', 'pc.pub');
  expect(added).toMatchObject({ exitCode: 0, stderr: '' });
  answered = await askAndAnswer('2+2', { answer: EVIL, error: null });
  pending = (await runHere('ask', 'later', '--no-wait')).stdout.trim();
  const models = { agent: 'home-pc', at: new Date().toISOString() };
  const repo = { gitDir: bridge.repoPath, env: bridge.env };
  const list = [{ name: 'llama3.2', backend: 'ollama', can: ['chat' as const] }];
  const written = { ...repo, input: writeModels({ ...models, models: list }) };
  const blob = (await gitOk(['hash-object', '-w', '--stdin'], written)).trim();
  await gitOk(['update-ref', modelsRef('home-pc'), blob], repo);
  const body = { model: 'llama3.2', messages: [{ role: 'user', content: '2+2' }] };
  const call = { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body };
  await writeFile(join(bridge.dir, 'night.jsonl'), JSON.stringify(call));
});

async function askAndAnswer(question: string, outcome: Pick<Answer, 'answer' | 'error'>): Promise<string> {
  const { stdout } = await runHere('ask', question, '--no-wait');
  const id = stdout.trim();
  const repo = { gitDir: bridge.repoPath, env: bridge.env };
  const trailer = ['show', '-s', '--format=%(trailers:key=Task-Hash,valueonly)', id];
  await answerTask(repo, { id, hash: (await gitOk(trailer, repo)).trim() }, outcome);
  return id;
}

/** Runs the command line on the bridge, in this process. */
const runHere = (...args: string[]) =>
  runCliHere([...args, '--repo', bridge.repoPath], { env: bridge.env, cwd: bridge.dir });

const named = (word: string) =>
  word.replace('ID', answered).replace('PENDING', pending).replace('REPO', bridge.repoPath);

/**
 * What runs as a process of its own into a full device: what needs the build, what a signal would end, and
 * one that writes and asks. The others are one function with another text, and run in this process.
 */
const NEEDS_PROCESS = /^(?:init|demo|doctor|service|status --watch|watch|ask hello --no-wait --repo|--help)/;

/** Runs the program, or its command line here, with a full device as its standard output. */
function runIntoFull(words: readonly string[]): Promise<Pick<RunResult, 'exitCode' | 'stderr'>> {
  if (NEEDS_PROCESS.test(words.join(' '))) return runIn('sh', '"$@" > /dev/full', words);
  const args = words.map(named);
  return runCliHere(args, { env: bridge.env, cwd: bridge.dir, stdout: '/dev/full' });
}

/** Runs the program with a redirection of a shell behind it. */
function runIn(shell: string, script: string, args: readonly string[]): Promise<RunResult> {
  const words = args.map(named);
  return runProcess(shell, ['-c', script, shell, ...programUnderTest(), ...words], {
    env: bridge.env,
    cwd: bridge.dir,
  });
}

describe.skipIf(process.platform !== 'linux')('output that cannot be written', () => {
  test.each([
    ['init made.git'],
    ['key add second --role asker --key second.pub --repo REPO'],
    ['key list --repo REPO'],
    ['key remove second --repo REPO'],
    ['ask hello --no-wait --repo REPO'],
    ['ask hello --no-wait --json --repo REPO'],
    ['answer ID --repo REPO'],
    ['answer ID --json --repo REPO'],
    ['list --repo REPO'],
    ['list --json --repo REPO'],
    ['log --repo REPO'],
    ['log --json --repo REPO'],
    ['status --repo REPO'],
    ['status --json --repo REPO'],
    ['status --watch --repo REPO'],
    ['watch task.txt --repo REPO'],
    ['ingest --repo REPO'],
    ['ingest --json --repo REPO'],
    ['ingest --rebuild --repo REPO'],
    ['verify --repo REPO'],
    ['verify --json --repo REPO'],
    ['doctor --repo REPO'],
    ['doctor --json --repo REPO'],
    ['token add phone --repo REPO'],
    ['token list --repo REPO'],
    ['token remove phone --repo REPO'],
    ['use'],
    ['service install agent --print --repo REPO'],
    ['demo --local'],
    ['--help'],
    ['ask --help'],
    ['--version'],
    ['completion'],
    ['--get-yargs-completions llm-bridge a'],
    ['models --repo REPO'],
    ['models --json --repo REPO'],
    ['stats --repo REPO'],
    ['stats --json --repo REPO'],
    ['cancel PENDING --repo REPO'],
    ['cancel PENDING --json --repo REPO'],
    ['ask --batch night.jsonl --repo REPO'],
    ['ask --batch night.jsonl --json --repo REPO'],
    ['batch list --repo REPO'],
    ['batch list --json --repo REPO'],
    ['batch show batch_ --repo REPO'],
    ['batch cancel batch_ --repo REPO'],
    ['batch results batch_ --errors --repo REPO'],
  ])('"llm-bridge %s" into a full device says so in two lines, and ends with 1', async (words) => {
    const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBq2QzxLQZ5v5cZqZ0p3bUO7hW8H2cH3yq2Yk0Wc1n0V test\n';
    await writeFile(join(bridge.dir, 'second.pub'), key);
    await writeFile(join(bridge.dir, 'task.txt'), 'what a program writes');
    await saveProfile(profilesFile(bridge.env), 'home', { repo: bridge.repoPath });
    const { exitCode, stderr } = await runIntoFull(words.split(' '));

    expect(stderr.replace(/^(?:watching |all of it was asked before).*\n/m, '')).toMatch(
      /^error: cannot write the output \(ENOSPC: .*\)\ntry: .*make room .*\n$/,
    );
    expect(exitCode).toBe(1);
  });

  test('names the task that was asked all the same, with the command that fetches its answer', async () => {
    const { stderr } = await runIn('sh', '"$@" > /dev/full', ['ask', 'hi', '--no-wait', '--repo', 'REPO']);
    const id = /llm-bridge answer ([0-9a-f]{8}) --repo \S+\n$/.exec(stderr)?.[1] ?? 'none';

    expect((await runHere('list', '--json')).stdout).toContain(`{"task":"${id}`);
  });

  test('is told as well where a file takes only a part of it', async () => {
    const { exitCode, stderr } = await runIn('sh', 'ulimit -f 1; "$@" > help.txt', ['agent', '--help']);

    expect((await stat(join(bridge.dir, 'help.txt'))).size).toBeGreaterThan(0);
    expect(stderr).toMatch(/^error: cannot write the output \(EFBIG: .*\)\ntry: .*\n$/);
    expect(exitCode).toBe(1);
  });

  test('is no reason to end for an agent whose log nobody takes', async () => {
    const args = ['agent', '--once', '--repo', 'REPO', '--state-dir', 'state', '--retry-window', '0'];
    const { exitCode } = await runIn('sh', '"$@" 2> /dev/full', args);

    expect(exitCode).toBe(0);
  });
});

describe('a reader that goes away', () => {
  test.each([
    ['status --repo REPO'],
    ['log --json --repo REPO'],
    ['doctor --repo REPO'],
    ['--help'],
    ['watch task.txt --repo REPO'],
  ])('ends "llm-bridge %s" quietly, with what a shell says of a closed pipe', async (words) => {
    await writeFile(join(bridge.dir, 'task.txt'), `what a program writes ${words}`);
    const script = '"$@" | true; exit $PIPESTATUS';
    const { exitCode, stderr } = await runIn('bash', script, words.split(' '));

    expect(stderr.replace(/^watching .*\n/m, '')).toBe('');
    expect(exitCode).toBe(141);
  });

  test('ends "llm-bridge log -f" with the next record', async () => {
    const [file, ...first] = programUnderTest();
    const child = spawn(file, [...first, 'log', '-f', '-n', '1', '--repo', bridge.repoPath], {
      env: bridge.env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onCleanup(() => void child.kill('SIGKILL'));
    const exited = new Promise((resolve) => child.once('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.destroy();
    await askAndAnswer('2+3', { answer: '5', error: null });
    await runHere('ingest');

    expect(await exited).toBe(141);
  });

  test('gets all of what is larger than a pipe, however slowly it reads', async () => {
    await askAndAnswer('much', { answer: 'x'.repeat(300_000), error: null });
    await runHere('ingest');
    const { stdout } = await runIn('bash', 'set -o pipefail; "$@" | (sleep 1; wc -c)', [
      'log',
      '-n',
      '1',
      '--repo',
      'REPO',
    ]);

    expect(Number(stdout)).toBeGreaterThan(300_000);
  });
});

describe('what others have written', () => {
  test.each([
    ['answer ID --json'],
    ['answer ID'],
    ['log --json'],
    ['log'],
    ['list --json'],
    ['list'],
    ['status --json'],
    ['status'],
  ])('does nothing to a terminal in "llm-bridge %s"', async (words) => {
    await runHere('ingest');
    const { stdout } = await runHere(...words.split(' ').map((word) => word.replace('ID', answered)));

    // Into a pipe, an answer alone is data: byte for byte as the model said it.
    if (words !== 'answer ID') expect(stdout).not.toMatch(EVIL_CHARACTER);
    if (words === 'answer ID --json') expect(JSON.parse(stdout)).toMatchObject({ answer: EVIL });
  });

  test('does nothing in a line of answers.log that is none', async () => {
    const log = join(bridge.repoPath, 'bridge', 'answers.log');
    const before = await readFile(log);
    await writeFile(log, Buffer.concat([Buffer.from(`\u001b[2J{"seq":0,"x":"${EVIL}"}\n`), before]));
    onCleanup(() => writeFile(log, before));

    for (const args of [['log'], ['log', '--json']]) {
      const { stdout } = await runHere(...args);
      expect(stdout).toContain('"seq":0');
      expect(stdout).not.toMatch(EVIL_CHARACTER);
    }
  });
});

test('no command but the writers touches standard output and standard error, and only the end ends the process', async () => {
  const folder = new URL('../../../src/cli/', import.meta.url);
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(20);
  const users = async (pattern: RegExp) => {
    const texts = await Promise.all(files.map((name) => readFile(new URL(name, folder), 'utf8')));
    return files.filter((_name, at) => pattern.test(texts[at] ?? '')).sort();
  };

  // run-main.ts hands it to the writer.
  expect(await users(/process\.stdout|\bstdout\b.*process|console\./)).toEqual(['output.ts', 'run-main.ts']);
  // Of these the log, the chat and print-error.ts clean what they write. The others say words of their own,
  // or what this program said as another user.
  expect(await users(/process\.stderr\.write\(/)).toEqual([
    ...['ask-person.ts', 'chat/chat-commands.ts', 'commands/join.ts', 'log-lines.ts', 'print-error.ts'],
    ...['run-here-as.ts', 'run-main.ts', 'task-fields.ts'],
  ]);
  // stop-signal.ts: the second Ctrl-C ends it at once.
  expect(await users(/process\.exit\(/)).toEqual(['run-main.ts', 'stop-signal.ts']);
});

test('"llm-bridge use" where no bridge is saved says what saves one, and is no failure', async () => {
  const config = join(bridge.dir, 'no-config');
  const result = await runCliHere(['use'], { env: { ...bridge.env, XDG_CONFIG_HOME: config } });
  expect(result).toEqual({
    exitCode: 0,
    stdout: '',
    stderr: `warning: no bridge is saved in ${config}/llm-bridge/config.json\ntry: llm-bridge join ssh://bridge@server/srv/llm-bridge/bridge.git saves one\n`,
  });
});
