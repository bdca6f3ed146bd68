import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, type TestContext, test } from 'vitest';
import { cleanEnv } from '../support/clean-env.js';
import { type GatewayFixture, startGatewayFixture } from '../support/gateway-fixture.js';
import { readCodeBlocks } from '../support/read-markdown.js';
import { type RunResult, runProcess } from '../support/run-process.js';
import { tempDir } from '../support/temp-dir.js';

// Clients as they are published today, each installed into a folder of its own: npm run test:clients. What a
// registry does not give is skipped, with its words.

const INSTALL_MS = 240_000;
const programs = fileURLToPath(new URL('./programs/', import.meta.url));

let fixture: GatewayFixture;
beforeAll(async () => {
  fixture = await startGatewayFixture({
    standIn: {
      models: {
        ollama: [
          { name: 'llama3.2:latest', capabilities: ['completion', 'tools'] },
          { name: 'all-minilm:latest', capabilities: ['embedding'] },
        ],
      },
    },
  });
});

/** What a program said in its last line; the whole of it where it failed. */
function said({ exitCode, stdout, stderr }: RunResult): Record<string, unknown> {
  expect(exitCode, `${stdout}\n${stderr}`).toBe(0);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
}

/** Installs and answers the folder; skips the test where that does not succeed. */
async function installed(
  context: TestContext,
  argv: (dir: string) => [string, ...string[]][],
): Promise<string> {
  const dir = await tempDir();
  for (const [command, ...args] of argv(dir)) {
    const result = await runProcess(command, args, {
      env: { ...process.env },
      cwd: dir,
      timeoutMs: INSTALL_MS,
    }).catch((error: Error) => ({ exitCode: 1, stdout: '', stderr: error.message }));
    if (result.exitCode !== 0)
      context.skip(`${command} ${args.join(' ')}: ${result.stderr.trim().split('\n').at(-1) ?? ''}`);
  }
  return dir;
}

const npm =
  (...packages: string[]) =>
  (dir: string): [string, ...string[]][] => [
    ['npm', 'install', '--no-audit', '--no-fund', '--prefix', dir, ...packages],
  ];
const pip =
  (...packages: string[]) =>
  (dir: string): [string, ...string[]][] => [
    ['python3', '-m', 'venv', join(dir, 'py')],
    [join(dir, 'py/bin/pip'), 'install', '--quiet', '--disable-pip-version-check', ...packages],
  ];

async function runNode(
  dir: string,
  program: string,
  node = process.execPath,
): Promise<Record<string, unknown>> {
  await copyFile(join(programs, program), join(dir, program));
  const env = cleanEnv(dir, { GATEWAY: fixture.url });
  return said(await runProcess(node, [join(dir, program)], { env, cwd: dir, timeoutMs: INSTALL_MS }));
}

async function runPython(dir: string, program: string): Promise<Record<string, unknown>> {
  const env = cleanEnv(dir, { GATEWAY: fixture.url, LITELLM_LOCAL_MODEL_COST_MAP: 'True' });
  const argv = [join(programs, program)];
  return said(await runProcess(join(dir, 'py/bin/python'), argv, { env, cwd: dir, timeoutMs: INSTALL_MS }));
}

test.for(['22', '24'])('the newest openai, on Node %s', async (version, context) => {
  const dir = await installed(context, npm('openai@latest', `node@${version}`));
  const result = await runNode(dir, 'openai-newest.mjs', join(dir, 'node_modules/.bin/node'));
  expect(result).toMatchObject({ text: '4', streamed: '4', response: '4', vectors: 2 });
  expect(result.node).toMatch(new RegExp(`^${version}\\.`));
});

test('@langchain/openai', async (context) => {
  const dir = await installed(context, npm('@langchain/openai', '@langchain/core'));
  expect(await runNode(dir, 'langchain-openai.mjs')).toEqual({ text: '4', streamed: '4', vectors: 2 });
});

test('@langchain/ollama', async (context) => {
  const dir = await installed(context, npm('@langchain/ollama', '@langchain/core'));
  expect(await runNode(dir, 'langchain-ollama.mjs')).toEqual({ text: '4', streamed: '4', vectors: 2 });
});

test('ai-sdk-ollama, which wants Node 22', async (context) => {
  const dir = await installed(context, npm('ai-sdk-ollama', 'ai', 'node@22'));
  const result = await runNode(dir, 'ai-sdk-ollama.mjs', join(dir, 'node_modules/.bin/node'));
  expect(result).toMatchObject({ text: '4', streamed: '4', vectors: 2 });
});

test('openai for Python, and the bot of docs/clients.md', async (context) => {
  const dir = await installed(context, pip('openai'));
  const expected = { text: '4', streamed: '4', response: '4', vectors: 2 };
  expect(await runPython(dir, 'openai_python.py')).toEqual(expected);

  const page = await readFile(new URL('../../docs/clients.md', import.meta.url), 'utf8');
  const bot = readCodeBlocks(page).find(({ language }) => language === 'python')?.text ?? '';
  const file = join(dir, 'bot.py');
  await writeFile(file, `${bot}\n\nanswer_by_edits("What is 2+2?", print, every=0)\n`);
  const env = cleanEnv(dir, { OPENAI_BASE_URL: `${fixture.url}/v1`, OPENAI_API_KEY: 'any' });
  const { exitCode, stdout, stderr } = await runProcess(join(dir, 'py/bin/python'), [file], { env });
  expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0, stdout: '4\n' });
});

test('ollama for Python', async (context) => {
  const dir = await installed(context, pip('ollama'));
  const result = await runPython(dir, 'ollama_python.py');
  expect(result).toMatchObject({ text: '4', streamed: '4', vectors: 2 });
  expect(result.models).toContain('llama3.2:latest');
});

test('litellm, by two of the APIs', async (context) => {
  const dir = await installed(context, pip('litellm'));
  expect(await runPython(dir, 'litellm_python.py')).toEqual({ text: '4', streamed: '4', response: '4' });
});

test('llm, as docs/clients.md sets it up', async (context) => {
  const dir = await installed(context, pip('llm'));
  const page = await readFile(new URL('../../docs/clients.md', import.meta.url), 'utf8');
  const settings = readCodeBlocks(page).find(({ text }) => text.startsWith('- model_id:'))?.text ?? '';
  const home = join(dir, 'llm');
  await mkdir(home);
  await writeFile(
    join(home, 'extra-openai-models.yaml'),
    settings.replace('http://127.0.0.1:11435', fixture.url),
  );
  const env = cleanEnv(dir, { LLM_USER_PATH: home });
  const argv = ['-m', 'home', 'What is 2+2?'];
  const { exitCode, stdout, stderr } = await runProcess(join(dir, 'py/bin/llm'), argv, { env });
  expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0, stdout: '4\n' });
});
