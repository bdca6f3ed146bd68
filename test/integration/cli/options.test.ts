import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { cleanEnv } from '../../support/clean-env.js';
import { runCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { tempDir } from '../../support/temp-dir.js';

let dir: string;
let repo: string;
let env: Record<string, string>;

beforeAll(async () => {
  dir = await tempDir();
  await mkdir(join(dir, 'home'));
  env = cleanEnv(join(dir, 'home'));
  repo = join(dir, 'bridge.git');
  expect((await runCli(['init', repo], { env })).exitCode).toBe(0);
});

const ok = async (args: readonly string[], extra: Record<string, string> = {}, input?: string) => {
  const given = { env: { ...env, ...extra }, cwd: dir };
  const result = await (input === undefined ? runCliHere(args, given) : runCli(args, { ...given, input }));
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  return result.stdout;
};
const taskOf = async (id: string) =>
  JSON.parse(await gitOk(['show', `${id.trim()}:task.json`], { gitDir: repo }));

describe('the environment', () => {
  test('LLM_BRIDGE_REPO stands for --repo, and LLM_BRIDGE_JSON for --json', async () => {
    expect(await ok(['status'], { LLM_BRIDGE_REPO: repo })).toContain('0 answered');
    const json = await ok(['status'], { LLM_BRIDGE_REPO: repo, LLM_BRIDGE_JSON: '1' });
    expect(JSON.parse(json)).toMatchObject({ repo, answered: 0 });
  });

  test('the command line goes before the environment', async () => {
    const wrong = { LLM_BRIDGE_REPO: join(dir, 'nowhere.git'), LLM_BRIDGE_JSON: 'true' };
    expect(await ok(['status', '--repo', repo, '--no-json'], wrong)).toContain('0 answered');
  });

  test('options with a dash, numbers and lists come from the environment as well', async () => {
    const id = await ok(['ask', 'hi', '--no-wait'], {
      LLM_BRIDGE_REPO: repo,
      LLM_BRIDGE_MAX_TOKENS: '7',
      LLM_BRIDGE_STOP: 'END',
      LLM_BRIDGE_NAME: 'alice',
    });
    expect(await taskOf(id)).toMatchObject({ options: { max_tokens: 7, stop: ['END'] } });
    expect(await gitOk(['show', '-s', '--format=%an', id.trim()], { gitDir: repo })).toBe('alice\n');
  });

  test('LLM_BRIDGE_WAIT=false and LLM_BRIDGE_NO_WAIT=true both mean --no-wait', async () => {
    for (const variable of [{ LLM_BRIDGE_WAIT: 'false' }, { LLM_BRIDGE_NO_WAIT: 'true' }])
      expect(await ok(['ask', 'hi', '--repo', repo], variable)).toMatch(/^[0-9a-f]{40}\n$/);
  });

  test('an empty variable counts as unset', async () => {
    const result = await runCliHere(['status'], { env: { ...env, LLM_BRIDGE_REPO: '' } });
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain('it can also be set once as LLM_BRIDGE_REPO');
  });

  test('a switch that is neither on nor off is wrong use', async () => {
    const result = await runCliHere(['status', '--repo', repo], {
      env: { ...env, LLM_BRIDGE_JSON: 'maybe' },
    });
    expect(result.stderr).toBe(
      'error: LLM_BRIDGE_JSON is "maybe", which is neither on nor off\ntry: LLM_BRIDGE_JSON=true or LLM_BRIDGE_JSON=false\n',
    );
    expect(result.exitCode).toBe(2);
  });

  test.each([['status'], ['log'], ['ingest'], ['key list'], ['ask hi --no-wait']])(
    'variables that are no options of "%s" change nothing',
    async (command) => {
      const foreign = {
        LLM_BRIDGE_PRINCIPAL: 'mallory',
        LLM_BRIDGE_DEBUG: '1',
        LLM_BRIDGE_VERSION: '9.9.9',
        LLM_BRIDGE_HELP: '1',
        LLM_BRIDGE_TEST_BIN: '/nowhere',
        LLM_BRIDGE_SOMETHING_ELSE: 'x',
        LLM_BRIDGE_OLLAMA_URL: 'http://192.0.2.1:11434',
        LLM_BRIDGE_STATE_DIR: '/nowhere',
      };
      const args = [...command.split(' '), '--repo', repo];
      const masked = (text: string) =>
        text.replace(/[0-9a-f]{40}/g, 'ID').replace(/ +(?:under )?\d+ (?:ms|s|min)\b/g, ' AGE');
      expect(masked(await ok(args, foreign))).toBe(masked(await ok(args)));
    },
  );
});

describe('the words of a question', () => {
  test('are joined; behind "--" also those that begin with a dash', async () => {
    expect(await taskOf(await ok(['ask', 'what', 'is', '007', '--no-wait', '--repo', repo]))).toMatchObject({
      prompt: 'what is 007',
    });
    expect(await taskOf(await ok(['ask', '--no-wait', '--repo', repo, '--', '--is', 'this']))).toMatchObject({
      prompt: '--is this',
    });
  });

  test('come from standard input where there are none, without the last line break', async () => {
    expect(
      await taskOf(await ok(['ask', '--no-wait', '--repo', repo], {}, 'Zwölf\nmal zwei?\n')),
    ).toMatchObject({
      prompt: 'Zwölf\nmal zwei?',
    });
  });

  test('are not needed with --file, which is asked as it is', async () => {
    const task = { messages: [{ role: 'user', content: 'hi' }], options: { top_p: 0.5, stop: ['END'] } };
    await writeFile(join(dir, 'whole.json'), JSON.stringify(task));
    expect(
      await taskOf(await ok(['ask', '--file', 'whole.json', '--no-wait', '--repo', repo])),
    ).toMatchObject(task);
  });

  test('go before those of --file, whose other fields stay', async () => {
    await writeFile(
      join(dir, 'task.json'),
      '{"prompt": "old", "system": "Be brief", "options": {"temperature": 0.1, "seed": 1}}',
    );
    const id = await ok(['ask', 'new', '--file', 'task.json', '--seed', '2', '--no-wait', '--repo', repo]);
    expect(await taskOf(id)).toMatchObject({
      prompt: 'new',
      system: 'Be brief',
      options: { temperature: 0.1, seed: 2 },
    });
  });
});

describe('what every command has', () => {
  const commands = [
    '',
    'init',
    'key',
    'key add',
    'key list',
    'key remove',
    'ask',
    'answer',
    'watch',
    'agent',
    'list',
    'models',
    'log',
  ];
  test.each([...commands, 'status', 'ingest', 'demo'])(
    '"llm-bridge %s --help" explains itself',
    async (command) => {
      const text = await ok([...command.split(' ').filter((word) => word !== ''), '--help']);
      expect(text.startsWith(`llm-bridge ${command === '' ? '<command>' : command}`)).toBe(true);
      // Every option and command says what it does: two spaces and a sentence behind its name.
      for (const line of text.split('\n').filter((one) => /^\s+(?:-\w, )?--[a-z]/.test(one)))
        expect(line).toMatch(/--[a-z-]+ +(?!\[)\S/);
    },
  );

  test('--version prints the version of package.json alone', async () => {
    const { default: manifest } = await import('../../../package.json', { with: { type: 'json' } });
    expect(await ok(['--version'])).toBe(`${manifest.version}\n`);
  });

  test('completion prints a script, and the commands when the shell asks', async () => {
    expect(await ok(['completion'])).toMatch(/^###-begin-llm-bridge-completions-###\n[\s\S]*complete /);
    const words = (await ok(['--get-yargs-completions', 'llm-bridge', 'a'])).split('\n');
    expect(words).toEqual(expect.arrayContaining(['ask', 'agent', 'init', 'status']));
  });
});

test('an answer that does not come in time ends with 75, and the task stays asked', async () => {
  const result = await runCliHere(['ask', 'in vain', '--timeout', '0.1', '--repo', repo], { env });
  expect(result.stderr).toMatch(
    /^warning: no agent has said yet that it is there; the task waits\ntry: .+\nerror: no answer yet; the task stays asked: [0-9a-f]{40}\ntry: .+\n$/,
  );
  expect(result).toMatchObject({ exitCode: 75, stdout: '' });
  expect(await ok(['status', '--repo', repo])).toContain('in vain');
});
