import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeKeyPair } from '../../src/admin/make-key-pair.js';
import { freePort } from '../../src/demo/free-port.js';
import { sshCommandFor } from '../../src/demo/ssh-client.js';
import { inTurn } from '../../src/demo/stand-in/stand-in-request.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { ask as askBridge } from '../../src/index.js';
import { startAgentHere } from '../support/agent-here.js';
import { chatsOf, gate, questionsOf } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli, startCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { clockEnv } from '../support/dying-cli.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { type RunResult, runProcess } from '../support/run-process.js';
import { waitUntil } from '../support/wait-until.js';

let bridge: BridgeFixture;
let standIn: StandIn;
let askedBefore: number;

/** One bridge with a running agent for all tests of this file. */
beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  await startAgentHere(bridge, standIn, { state: 'file', parallel: 2 });
});
beforeEach(() => {
  standIn.behave = () => ({});
  askedBefore = chatsOf(standIn).length;
});

/**
 * Asks on the server by the path, as its owner: where it reads standard input the built program, else the
 * command line of `src`, here.
 */
function ask(args: readonly string[], input?: string) {
  return run(['ask', ...args, '--repo', bridge.repoPath], bridge.ownerEnv, input);
}

/** Asks as the bot, over ssh; the same. */
function askOver(repo: string, args: readonly string[], input?: string, env: Record<string, string> = {}) {
  return run(['ask', ...args, '--repo', repo], { ...bridge.principal('bot').env, ...env }, input);
}

function run(args: readonly string[], env: Record<string, string>, input?: string): Promise<RunResult> {
  return input === undefined ? runCliHere(args, { env }) : runCli(args, { env, input });
}

/** The built program asks, in each way. */
const builtAsk = (args: readonly string[]) =>
  runCli(['ask', ...args, '--repo', bridge.repoPath], { env: bridge.ownerEnv });
const builtAskOver = (repo: string, args: readonly string[]) =>
  runCli(['ask', ...args, '--repo', repo], { env: bridge.principal('bot').env });

function newQuestions(): string[] {
  return questionsOf(standIn).slice(askedBefore);
}

function tip(): Promise<string> {
  return gitOk(['rev-parse', 'main'], { gitDir: bridge.repoPath });
}

describe('the question', () => {
  test('is the words of the command line', async () => {
    expect(await builtAsk(['what', 'is', '2+2'])).toEqual({ exitCode: 0, stdout: '4\n', stderr: '' });
    expect(newQuestions()).toEqual(['what is 2+2']);
  });

  test.each([
    ['a dash', ['-']],
    ['nothing', []],
  ])('is standard input where the command line has %s', async (_what, args) => {
    expect(await ask(args, 'first line\n3+4\n')).toMatchObject({ exitCode: 0, stdout: '7\n' });
    expect(newQuestions()).toEqual(['first line\n3+4']);
  });

  test('keeps Cyrillic and emoji on its way to the model and back', async () => {
    const text = 'Скажи «привет» — 👩‍👩‍👧 ж\u0301';
    standIn.behave = () => ({ answer: `Привет! ${text}` });

    expect(await askOver(bridge.sshUrl, [text])).toMatchObject({
      exitCode: 0,
      stdout: `Привет! ${text}\n`,
    });
    expect(newQuestions()).toEqual([text]);
    // The asker elsewhere sees the answer on main; the log has it once post-receive is through.
    await waitUntil(
      async () => (await bridge.answersLog()).find((record) => record.task_text === text),
      'the record in the log',
    );
    // Readable in the log as it stands, not as escapes.
    expect(await bridge.readLog()).toContain('Привет!');
  });

  test.each([
    ['an empty standard input', [], ''],
    ['an empty word', [''], undefined],
    ['a blank word', ['  '], undefined],
  ])('cannot be %s', async (_what, args, input) => {
    const before = await tip();
    const refused = await ask(args, input);

    expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
    expect(refused.stderr).toMatch(/^error: .*empty.*\ntry: .*\n$/);
    expect(await tip()).toBe(before);
  });
});

describe('over ssh', () => {
  test('the asker is the name of the key, and ssh:// and user@host:path are the same bridge', async () => {
    expect(await askOver(bridge.sshUrl, ['1+1'])).toEqual({ exitCode: 0, stdout: '2\n', stderr: '' });
    expect(await askOver(bridge.scpUrl, ['1+2'])).toEqual({ exitCode: 0, stdout: '3\n', stderr: '' });

    const subjects = (await bridge.gitLog('%an %s')).slice(0, 4);
    expect(subjects).toEqual([
      expect.stringMatching(/^home-pc answer \w{8}: 3 /),
      expect.stringMatching(/^bot ask: 1\+2$/),
      expect.stringMatching(/^home-pc answer \w{8}: 2 /),
      expect.stringMatching(/^bot ask: 1\+1$/),
    ]);
  });

  test.each<
    [what: string, error: RegExp, address: () => Promise<[repo: string, env: Record<string, string>]>]
  >([
    [
      'an agent key',
      /error: the key home-pc has the role agent and cannot ask/,
      async () => [bridge.sshUrl, bridge.principal('home-pc').env],
    ],
    [
      'a key the server does not know',
      /error: .*did not accept the SSH key/,
      async () => {
        const { identityFile } = await makeKeyPair(join(bridge.dir, 'stranger'), 'stranger');
        return [bridge.sshUrl, { GIT_SSH_COMMAND: sshCommandFor(bridge.sshd, identityFile) }];
      },
    ],
    [
      'a key file that is not there',
      /error: .*SSH (key|identity)/,
      async () => [
        bridge.sshUrl,
        { GIT_SSH_COMMAND: sshCommandFor(bridge.sshd, join(bridge.dir, 'no-such-key')) },
      ],
    ],
    [
      'a key that was removed',
      /error: .*(did not accept the SSH key|gone is not known here, or was removed)/,
      async () => {
        const gone = await bridge.addPrincipal('gone', 'asker');
        await runCliHere(
          [
            'key',
            'remove',
            'gone',
            '--repo',
            bridge.repoPath,
            '--authorized-keys',
            bridge.authorizedKeysFile,
          ],
          { env: bridge.ownerEnv },
        );
        return [bridge.sshUrl, gone.env];
      },
    ],
    [
      'a port where nothing listens',
      /error: .*cannot be reached/,
      async () => {
        const port = await freePort();
        const { identityFile } = bridge.principal('bot');
        const GIT_SSH_COMMAND = sshCommandFor({ ...bridge.sshd, port }, identityFile);
        return [bridge.sshUrl.replace(`:${bridge.sshd.port}`, `:${port}`), { GIT_SSH_COMMAND }];
      },
    ],
    [
      'a path that is not the bridge',
      /error: .*(refused|no bridge)/,
      async () => [bridge.sshUrl.replace('bridge.git', 'other.git'), {}],
    ],
    [
      'a host key that is unknown',
      /error: .*host key is unknown or has changed/,
      async () => {
        const knownHostsFile = join(bridge.dir, 'nobody-known');
        await writeFile(knownHostsFile, '');
        const { identityFile } = bridge.principal('bot');
        return [
          bridge.sshUrl,
          { GIT_SSH_COMMAND: sshCommandFor({ ...bridge.sshd, knownHostsFile }, identityFile) },
        ];
      },
    ],
  ])('%s is a clear error, and nothing is asked', async (_what, error, address) => {
    const before = await tip();
    const [repo, env] = await address();

    const refused = await askOver(repo, ['2+2'], undefined, env);

    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused.stderr).toMatch(error);
    expect(refused.stderr).toMatch(/^error: .*\ntry: .*\n$/);
    expect(await tip()).toBe(before);
  });
});

describe('waiting', () => {
  test('--no-wait prints the id of the task and leaves', async () => {
    const asked = await askOver(bridge.sshUrl, ['8+1', '--no-wait']);

    expect(asked).toMatchObject({ exitCode: 0, stderr: '' });
    expect(asked.stdout).toMatch(/^[0-9a-f]{40}\n$/);
    const record = await waitUntil(
      async () => (await bridge.answersLog()).find((one) => one.task_commit === asked.stdout.trim()),
      'the answer',
    );
    expect(record.answer).toBe('9');
  });

  test('--json prints the record as one line', async () => {
    const asked = await ask(['8+2', '--json']);

    expect(asked).toMatchObject({ exitCode: 0, stderr: '' });
    expect(asked.stdout).toMatch(/^\{.*\}\n$/);
    const record = (await bridge.answersLog()).at(-1);
    const { seq: _seq, ingested_at: _at, ...said } = record ?? {};
    expect(JSON.parse(asked.stdout)).toEqual(said);
    expect(said).toMatchObject({ answer: '10', model: 'llama3.2:latest', agent: 'home-pc' });
  });

  test('--timeout ends it with 75, and the task is answered later all the same', async () => {
    const held = gate();
    standIn.behave = () => ({ firstTokenAfter: held.opened });

    const asked = await ask(['8+3', '--timeout', '0.5']);

    expect(asked).toMatchObject({ exitCode: 75, stdout: '' });
    expect(asked.stderr).toMatch(/^error: no answer yet; the task stays asked: [0-9a-f]{40}\ntry: .*\n$/);
    held.open();
    const id = /[0-9a-f]{40}/.exec(asked.stderr)?.[0];
    const record = await waitUntil(
      async () => (await bridge.answersLog()).find((one) => one.task_commit === id),
      'the answer',
    );
    expect(record.answer).toBe('11');
  });

  test('--timeout goes by no clock: one that is set a month ahead meanwhile does not end the waiting', async () => {
    const held = gate();
    standIn.behave = ({ question }) => (question === '8+4' ? { firstTokenAfter: held.opened } : {});
    const clock = join(bridge.dir, 'clock');
    await writeFile(clock, '0');
    const asking = await startCli(['ask', '8+4', '--timeout', '50', '--repo', bridge.sshUrl], {
      env: { ...bridge.principal('bot').env, ...clockEnv(clock) },
    });
    await waitUntil(() => newQuestions().length === 1, 'the question at the model server');

    await writeFile(clock, String(30 * 86_400_000));
    // The doorbell rings for this one too, and whoever waits looks up.
    expect(await ask(['1+1'])).toMatchObject({ exitCode: 0 });
    held.open();

    expect(await asking.exited).toEqual({ exitCode: 0, signal: null });
    expect(asking.stdout()).toBe('12\n');
  });

  test('Ctrl-C ends the waiting with 75, and says that the task stays asked', async () => {
    const held = gate();
    standIn.behave = () => ({ firstTokenAfter: held.opened });
    const asking = await startCli(['ask', '8+4', '--repo', bridge.repoPath], { env: bridge.ownerEnv });
    await waitUntil(() => newQuestions().includes('8+4'), 'the question at the model server');

    asking.signal('SIGINT');

    expect(await asking.exited).toEqual({ exitCode: 75, signal: null });
    expect(asking.stderr()).toMatch(
      /^error: stopped waiting; the task stays asked: ([0-9a-f]{8})[0-9a-f]{32}\ntry: llm-bridge answer \1 --repo .*; or end it: llm-bridge cancel \1 --repo .*\n$/,
    );
    held.open();
  });

  test('Ctrl-C before anything was asked ends it with 1 and asks nothing', async () => {
    // A stopped sshd takes connections and says nothing.
    process.kill(bridge.sshd.pid, 'SIGSTOP');
    onCleanup(() => void process.kill(bridge.sshd.pid, 'SIGCONT'));
    const { env, identityFile } = bridge.principal('bot');
    const asking = await startCli(['ask', '8+5', '--repo', bridge.sshUrl], { env });
    await waitUntil(async () => {
      const { stdout } = await runProcess('ps', ['-eo', 'args='], { env });
      return stdout
        .split('\n')
        .some((line) => line.includes(identityFile) && line.includes('ControlMaster=yes'));
    }, 'its ssh to connect');

    asking.signal('SIGINT');

    expect(await asking.exited).toEqual({ exitCode: 1, signal: null });
    expect(asking.stderr()).toMatch(/^error: stopped by SIGINT\ntry: .*\n$/);
    // Answers to what was asked before may still come in.
    expect((await bridge.gitLog('%s')).filter((subject) => subject.includes('8+5'))).toEqual([]);
  });

  test('an error answer is exit code 1 and two lines, and with --json the record', async () => {
    const asked = await askOver(bridge.sshUrl, ['2+2', '--model', 'gone']);
    expect(asked).toMatchObject({ exitCode: 1, stdout: '' });
    expect(asked.stderr).toMatch(/^error: model_not_found: .*llama3\.2:latest.*\ntry: .*--model.*\n$/);

    const asJson = await ask(['2+2', '--model', 'gone', '--json']);
    expect(asJson).toMatchObject({ exitCode: 1, stderr: '' });
    expect(JSON.parse(asJson.stdout)).toMatchObject({ answer: null, error: { code: 'model_not_found' } });
  });

  test('an answer that was cut is printed with a warning, and an equal task is generated again', async () => {
    standIn.behave = () => ({ answer: 'half an', finishReason: 'length' });
    const cut = await askOver(bridge.sshUrl, ['9+3', '--dedup']);
    expect(cut).toMatchObject({ exitCode: 0, stdout: 'half an\n' });
    expect(cut.stderr).toMatch(/^warning: the answer is cut: .*\ntry: raise --max-tokens.*\n$/);

    standIn.behave = () => ({});
    // Asked again where the task is on the tip; generated again where it is further back.
    expect((await ask(['9+3', '--dedup'])).stdout).toBe('12\n');
    standIn.behave = () => ({ answer: 'half an', finishReason: 'length' });
    const asJson = await ask(['9+4', '--dedup', '--json']);
    expect(asJson.stderr).toBe('');
    expect(JSON.parse(asJson.stdout)).toMatchObject({ answer: 'half an', finish_reason: 'length' });
    standIn.behave = () => ({});
    await ask(['9+5']);
    const whole = await ask(['9+4', '--dedup', '--json']);
    expect(JSON.parse(whole.stdout)).toMatchObject({ answer: '13', finish_reason: 'stop' });
    expect(newQuestions()).toEqual(['9+3', '9+3', '9+4', '9+5', '9+4']);
  });

  test('an answer that repeats itself without end is printed with a warning, and an equal task is generated again', async () => {
    const endless = { kind: 'answer', text: 'and so on, ' } as const;
    standIn.behave = () => ({ answer: 'First, ', endless });
    const stopped = await ask(['9+6', '--dedup']);
    expect(stopped).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^First, and so on, /) });
    expect(stopped.stderr).toMatch(/^warning: the model repeated itself .*\ntry: ask again.*\n$/);

    standIn.behave = inTurn({ refuse: { kind: 'crashed' } });
    const whole = await ask(['9+6', '--dedup', '--json']);
    expect(JSON.parse(whole.stdout)).toMatchObject({ answer: '15', finish_reason: 'stop', attempts: 2 });
    expect(newQuestions()).toEqual(['9+6', '9+6', '9+6']);
  });

  test('--dedup asked twice generates once and gives the same answer; without it, twice', async () => {
    const first = await askOver(bridge.sshUrl, ['9+1', '--dedup', '--json']);
    // Another task in between, so that the same bytes are a new commit.
    await ask(['9+2']);
    const second = await ask(['9+1', '--dedup', '--json']);

    expect(JSON.parse(first.stdout)).toMatchObject({ answer: '10' });
    expect(JSON.parse(second.stdout)).toMatchObject({ answer: '10', cached: true });
    expect(newQuestions()).toEqual(['9+1', '9+2']);

    // With nothing in between there is nothing to commit: it is the same task.
    const third = await ask(['9+1', '--dedup', '--json']);
    expect(JSON.parse(third.stdout)).toMatchObject({ task_commit: JSON.parse(second.stdout).task_commit });
    const overSsh = await askOver(bridge.sshUrl, ['9+1', '--dedup', '--json']);
    expect(JSON.parse(overSsh.stdout)).toMatchObject({ task_commit: JSON.parse(second.stdout).task_commit });

    await ask(['9+1']);
    await ask(['9+1']);
    expect(newQuestions()).toEqual(['9+1', '9+2', '9+1', '9+1']);
  });

  test('the bytes of an answered task.json, as a task.txt, are another task', async () => {
    const content = '{"prompt":"9+6"}';
    const cached: unknown[] = [];
    // The last is equal to the first.
    for (const path of ['task.json', 'task.txt', 'task.json']) {
      const task = await commitOnMain(bridge, { path, content });
      const record = await waitUntil(
        async () => (await bridge.answersLog()).find((one) => one.task_commit === task),
        'the answer',
      );
      cached.push(record.cached);
      await commitOnMain(bridge, { path: 'task.json', content: '{"prompt":"9+7"}' });
    }
    expect(cached).toEqual([undefined, undefined, true]);
    expect(newQuestions().filter((question) => question.includes('9+6'))).toEqual(['9+6', content]);
  });

  test('--dedup by three over ssh at once is one generation, and an error is asked again', async () => {
    const { env } = bridge.principal('bot');
    const request = { repo: bridge.sshUrl, env, task: { prompt: '8+3' }, dedup: true };
    const [first, ...others] = await Promise.all([
      builtAskOver(bridge.sshUrl, ['8+3', '--dedup']),
      // By what is behind the command, because one command at a time runs here.
      askBridge(request),
      askBridge(request),
    ]);
    expect(first.stdout).toBe('11\n');
    expect(others).toMatchObject([1, 2].map(() => ({ status: 'answered', answer: { answer: '11' } })));
    expect(newQuestions()).toEqual(['8+3']);

    const wrong = ['8+4', '--dedup', '--model', 'nobody-has-this', '--json'];
    const once = JSON.parse((await askOver(bridge.sshUrl, wrong)).stdout);
    const again = JSON.parse((await askOver(bridge.sshUrl, wrong)).stdout);
    expect([once.error.code, again.error.code]).toEqual(['model_not_found', 'model_not_found']);
    expect(again.task_commit).not.toBe(once.task_commit);
  });
});

describe('the parameters of a task', () => {
  test('of a --file arrive at LM Studio, and options on the command line override them', async () => {
    const file = join(bridge.dir, 'question.json');
    const messages = [
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: 'hi' },
      { role: 'user', content: '6+6' },
    ];
    await writeFile(
      file,
      JSON.stringify({ messages, backend: 'lmstudio', options: { temperature: 1, max_tokens: 9 } }),
    );

    const asked = await ask(['--file', file, '--temperature', '0']);

    expect(asked).toEqual({ exitCode: 0, stdout: '12\n', stderr: '' });
    const request = chatsOf(standIn).at(-1);
    expect(request?.path).toBe('/v1/chat/completions');
    expect(request?.body).toMatchObject({ messages, temperature: 0, max_tokens: 9 });
  });
});

test.each([
  ['an unknown option', ['2+2', '--modle', 'x']],
  ['a number that is none', ['2+2', '--temperature', 'warm']],
  ['a number out of range', ['2+2', '--top-p', '2']],
  ['a backend that is no word', ['2+2', '--backend', 'GPT 4']],
  ['an option twice', ['2+2', '--model', 'a', '--model', 'b']],
  ['a schema that is none', ['2+2', '--format', '{"type":']],
  ['a file that is not there', ['--file', '/nonexistent/task.json']],
  ['metadata without a key', ['2+2', '--metadata', 'novalue']],
  ['a name that is none', ['2+2', '--name', 'a b']],
  ['a negative timeout', ['2+2', '--timeout', '-1']],
])('%s is wrong use: exit code 2, two lines, nothing asked', async (_what, args) => {
  const before = await tip();
  const refused = await ask(args);

  expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
  expect(refused.stderr).toMatch(/^error: .+\ntry: .+\n$/);
  expect(await tip()).toBe(before);
});

// Late, because a process that has become large starts programs more slowly.
describe('as much as a task may have', () => {
  test('is nearly 8 MiB, over ssh too', async () => {
    // One word: a model could never read so many of them.
    const prompt = `${'слово'.repeat(830_000)} 5+6`;
    expect(Buffer.byteLength(prompt)).toBeGreaterThan(8_290_000);

    expect(await askOver(bridge.sshUrl, ['-'], prompt)).toMatchObject({ exitCode: 0, stdout: '11\n' });
    expect(newQuestions()).toEqual([prompt]);
  });

  test('and more than 8 MiB is refused, and nothing is asked', async () => {
    const before = await tip();
    const photo = join(bridge.dir, 'photo.png');
    await writeFile(photo, Buffer.concat([Buffer.from('iVBORw0KGgo=', 'base64'), randomBytes(9_000_000)]));
    for (const refused of [
      await askOver(bridge.sshUrl, ['--image', photo, 'what is this']),
      await ask(['-'], 'x'.repeat(8 * 1024 * 1024)),
      await askOver(bridge.sshUrl, ['-'], 'x'.repeat(8 * 1024 * 1024)),
    ]) {
      expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
      expect(refused.stderr).toMatch(/^error: .*has \d+ bytes; the limit is 8388608\ntry: .*\n$/);
    }
    expect(await tip()).toBe(before);
  });

  test('is a photo beside all parameters, and they arrive at Ollama', async () => {
    const image = join(bridge.dir, 'dot.png');
    const photo = Buffer.concat([Buffer.from('iVBORw0KGgo=', 'base64'), randomBytes(6_280_000)]);
    await writeFile(image, photo);
    const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
    standIn.behave = () => ({ answer: '{"n": 4}' });
    standIn.models = { ...standIn.models, ollama: ['llama3.2:latest', 'big:70b'] };

    const asked = await askOver(bridge.sshUrl, [
      ...['how many', '--model', 'big:70b', '--backend', 'ollama', '--system', 'Be brief.'],
      ...['--temperature', '0.5', '--top-p', '0.9', '--max-tokens', '50', '--num-ctx', '2048'],
      ...['--seed', '7', '--stop', 'END', '--stop', 'FIN', '--format', JSON.stringify(schema)],
      ...['--image', image, '--task-timeout', '30', '--metadata', 'chat=42', '--metadata', 'x=a=b'],
    ]);

    expect(asked).toEqual({ exitCode: 0, stdout: '{"n": 4}\n', stderr: '' });
    expect(chatsOf(standIn).at(-1)?.body).toMatchObject({
      model: 'big:70b',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'how many', images: [photo.toString('base64')] },
      ],
      format: schema,
      options: {
        temperature: 0.5,
        top_p: 0.9,
        num_predict: 50,
        num_ctx: 2048,
        seed: 7,
        stop: ['END', 'FIN'],
      },
    });
    // task.json on main is still this task's: nothing was asked since.
    const task = JSON.parse(await gitOk(['show', 'main:task.json'], { gitDir: bridge.repoPath }));
    expect(task).toMatchObject({ timeout_s: 30, metadata: { chat: '42', x: 'a=b' } });
    expect(task).toMatchObject({ id: expect.any(String), asked_at: expect.any(String) });
  });
});

// The last, because it lets everybody read the keys, and ssh takes none of those.
test("another user's local bridge is refused with the remedy, and nothing is written", async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can run it as somebody else');
  const home = join(bridge.dir, 'home-nobody');
  await mkdir(home, { mode: 0o777 });
  await runProcess('chmod', ['-R', 'a+rX', bridge.dir], { env: bridge.ownerEnv });
  const program = join(import.meta.dirname, '../../dist/cli/main.js');
  const asNobody = (args: readonly string[]) =>
    runProcess(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, program, ...args],
      { env: { ...bridge.ownerEnv, HOME: home } },
    );
  if ((await asNobody(['--version'])).exitCode !== 0) skip('nobody cannot run node or the program here');
  // The agent of this file may write at any time; what nobody writes is nobody's.
  const written = () => runProcess('find', [bridge.repoPath, '-uid', '65534'], { env: bridge.ownerEnv });
  const before = await tip();

  const refused = await asNobody(['ask', '2+2', '--repo', bridge.repoPath]);

  expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
  expect(refused.stderr).toMatch(
    /^error: the repository .* belongs to another user\ntry: .*llm-bridge key add .*--role asker.*ssh:\/\/.*\n$/,
  );
  expect(await written()).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  expect(await tip()).toBe(before);
});
