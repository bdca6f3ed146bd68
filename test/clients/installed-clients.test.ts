import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { BACKENDS, type BackendName, backendNamed } from '../../src/agent/backends/backends.js';
import { bestModel } from '../../src/agent/generate/choose-model.js';
import { openReal, realServer } from '../real/real-server.js';
import { cleanEnv } from '../support/clean-env.js';
import { type GatewayFixture, startGatewayFixture } from '../support/gateway-fixture.js';
import { readCodeBlocks } from '../support/read-markdown.js';
import { type RunResult, runProcess } from '../support/run-process.js';
import { tempDir } from '../support/temp-dir.js';

// Clients as they are published today, each installed into a folder of its own: npm run test:clients. What a
// registry does not give is skipped, with its words. They ask the stand-in, and each real server that the
// variables of test/real/real-server.ts name.

const INSTALL_MS = 240_000;
const programs = fileURLToPath(new URL('./programs/', import.meta.url));

/** Where the clients' questions end. */
interface Server {
  readonly what: string;
  /** Ollama's own API, which other servers do not have. */
  readonly isNative: boolean;
  /** The text of an answer to 2+2. */
  readonly four: unknown;
  /** `embedder`: empty where it has no model that embeds. */
  readonly open: () => Promise<{ gateway: GatewayFixture; model: string; embedder: string }>;
}

const STAND_IN: Server = {
  what: 'the stand-in',
  isNative: true,
  four: '4',
  async open() {
    const ollama = [
      { name: 'llama3.2:latest', capabilities: ['completion', 'tools'] },
      { name: 'all-minilm:latest', capabilities: ['embedding'] },
    ];
    const gateway = await startGatewayFixture({ standIn: { models: { ollama } } });
    return { gateway, model: 'llama3.2', embedder: 'all-minilm' };
  },
};

const SERVERS: readonly Server[] = [STAND_IN, ...BACKENDS.flatMap(({ name }) => realOne(name))];

/** The real server of a backend; none where no variable names it. What it answers is its own affair. */
function realOne(name: BackendName): Server[] {
  const server = realServer(name);
  if (server === null) return [];
  const open = async () => {
    const models = await (await openReal(server)).listModels(new AbortController().signal);
    const [model = '', embedder = ''] = [bestModel(models)?.name, bestModel(models, 'embed')?.name];
    const servers = { [backendNamed(name).urlKey]: server.url };
    return { gateway: await startGatewayFixture({ servers }), model, embedder };
  };
  return [{ what: `a real ${name}`, isNative: name === 'ollama', four: expect.stringMatching(/\S/), open }];
}

/** What a program said in its last line; the whole of it where it failed. */
function said({ exitCode, stdout, stderr }: RunResult): Record<string, unknown> {
  expect(exitCode, `${stdout}\n${stderr}`).toBe(0);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
}

/** The folders of what is installed, by its command lines: each is installed once for all servers. */
const folders = new Map<string, Promise<{ dir: string; refusal: string | null }>>();
let parent: string;
beforeAll(async () => {
  parent = await tempDir();
});

/** Installs and answers the folder; skips the test where that does not succeed. */
async function installed(
  context: TestContext,
  argv: (dir: string) => [string, ...string[]][],
): Promise<string> {
  const key = JSON.stringify(argv('DIR'));
  const folder = folders.get(key) ?? install(join(parent, String(folders.size)), argv);
  folders.set(key, folder);
  const { dir, refusal } = await folder;
  if (refusal !== null) context.skip(refusal);
  return dir;
}

async function install(dir: string, argv: (dir: string) => [string, ...string[]][]) {
  await mkdir(dir);
  for (const [command, ...args] of argv(dir)) {
    const result = await runProcess(command, args, {
      env: { ...process.env },
      cwd: dir,
      timeoutMs: INSTALL_MS,
    }).catch((error: Error) => ({ exitCode: 1, stdout: '', stderr: error.message }));
    const refusal = `${command} ${args.join(' ')}: ${result.stderr.trim().split('\n').at(-1) ?? ''}`;
    if (result.exitCode !== 0) return { dir, refusal };
  }
  return { dir, refusal: null };
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

describe.each(SERVERS)('$what is asked by', ({ isNative, four, open }) => {
  let gateway: GatewayFixture;
  let [model, embedder] = ['', ''];
  let vectors = 0;
  beforeAll(async () => {
    ({ gateway, model, embedder } = await open());
    vectors = embedder === '' ? 0 : 2;
  });

  const envOf = (dir: string, more = {}) =>
    cleanEnv(dir, { GATEWAY: gateway.url, MODEL: model, EMBEDDER: embedder, ...more });

  async function runNode(dir: string, program: string, node = process.execPath) {
    await copyFile(join(programs, program), join(dir, program));
    const options = { env: envOf(dir), cwd: dir, timeoutMs: INSTALL_MS };
    return said(await runProcess(node, [join(dir, program)], options));
  }

  async function runPython(dir: string, program: string) {
    const options = {
      env: envOf(dir, { LITELLM_LOCAL_MODEL_COST_MAP: 'True' }),
      cwd: dir,
      timeoutMs: INSTALL_MS,
    };
    return said(await runProcess(join(dir, 'py/bin/python'), [join(programs, program)], options));
  }

  test.for(['22', '24'])('the newest openai, on Node %s', async (version, context) => {
    const dir = await installed(context, npm('openai@latest', `node@${version}`));
    const result = await runNode(dir, 'openai-newest.mjs', join(dir, 'node_modules/.bin/node'));
    expect(result).toMatchObject({ text: four, streamed: four, response: four, vectors });
    expect(result.node).toMatch(new RegExp(`^${version}\\.`));
  });

  test('@langchain/openai', async (context) => {
    const dir = await installed(context, npm('@langchain/openai', '@langchain/core'));
    expect(await runNode(dir, 'langchain-openai.mjs')).toEqual({ text: four, streamed: four, vectors });
  });

  test.runIf(isNative)('@langchain/ollama', async (context) => {
    const dir = await installed(context, npm('@langchain/ollama', '@langchain/core'));
    expect(await runNode(dir, 'langchain-ollama.mjs')).toEqual({ text: four, streamed: four, vectors });
  });

  test.runIf(isNative)('ai-sdk-ollama, which wants Node 22', async (context) => {
    const dir = await installed(context, npm('ai-sdk-ollama', 'ai', 'node@22'));
    const result = await runNode(dir, 'ai-sdk-ollama.mjs', join(dir, 'node_modules/.bin/node'));
    expect(result).toMatchObject({ text: four, streamed: four, vectors });
  });

  test('openai for Python, and the bot of docs/clients.md', async (context) => {
    const dir = await installed(context, pip('openai'));
    const expected = { text: four, streamed: four, response: four, vectors };
    expect(await runPython(dir, 'openai_python.py')).toEqual(expected);

    // A small model that is really asked ends its answer when it likes.
    if (four !== '4') return;
    const page = await readFile(new URL('../../docs/clients.md', import.meta.url), 'utf8');
    const bot = readCodeBlocks(page).find(({ language }) => language === 'python')?.text ?? '';
    const file = join(dir, 'bot.py');
    await writeFile(file, `${bot}\n\nanswer_by_edits("What is 2+2?", print, every=0)\n`);
    const env = cleanEnv(dir, { OPENAI_BASE_URL: `${gateway.url}/v1`, OPENAI_API_KEY: 'any' });
    const { exitCode, stdout, stderr } = await runProcess(join(dir, 'py/bin/python'), [file], { env });
    expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0, stdout: '4\n' });
  });

  test.runIf(isNative)('ollama for Python', async (context) => {
    const dir = await installed(context, pip('ollama'));
    const result = await runPython(dir, 'ollama_python.py');
    expect(result).toMatchObject({ text: four, streamed: four, vectors });
    expect(result.models).toContain(model === 'llama3.2' ? 'llama3.2:latest' : model);
  });

  test('litellm, by two of the APIs', async (context) => {
    const dir = await installed(context, pip('litellm'));
    const expected = { text: four, streamed: four, response: four };
    expect(await runPython(dir, 'litellm_python.py')).toEqual(expected);
  });

  test('llm, as docs/clients.md sets it up', async (context) => {
    const dir = await installed(context, pip('llm'));
    const page = await readFile(new URL('../../docs/clients.md', import.meta.url), 'utf8');
    const settings = readCodeBlocks(page).find(({ text }) => text.startsWith('- model_id:'))?.text ?? '';
    const home = join(dir, `llm-${model.replace(/\W/g, '-')}`);
    await mkdir(home);
    const ours = settings.replace('http://127.0.0.1:11435', gateway.url).replace('llama3.2', model);
    await writeFile(join(home, 'extra-openai-models.yaml'), ours);
    const env = cleanEnv(dir, { LLM_USER_PATH: home });
    const argv = ['-m', 'home', '-o', 'max_tokens', '16', 'What is 2+2?'];
    const { exitCode, stdout, stderr } = await runProcess(join(dir, 'py/bin/llm'), argv, { env });
    const text = four === '4' ? '4\n' : four;
    expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0, stdout: text });
  });
});
