import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { startLocalSshd } from '../../src/demo/local-sshd.js';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { stopProcessTree } from '../../src/demo/stop-process-tree.js';
import { ANSWER_ERROR_CODES, answerSchema, readAnswer } from '../../src/protocol/answer.js';
import { logRecordSchema } from '../../src/protocol/log-record.js';
import { readTask, taskJsonSchema, taskOptionsSchema } from '../../src/protocol/task.js';
import { cleanEnv } from '../support/clean-env.js';
import { onCleanup } from '../support/on-cleanup.js';
import { type CodeBlock, firstCells, readCodeBlocks, sectionOf } from '../support/read-markdown.js';
import { type RunResult, runProcess } from '../support/run-process.js';
import { tempDir } from '../support/temp-dir.js';
import { waitUntil } from '../support/wait-until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = await readFile(join(root, 'README.md'), 'utf8');
const blocks = readCodeBlocks(readme);
/** `conf` is for a file of another program: test/integration/server-hook/rotation.test.ts runs logrotate with it. */
const runnable = blocks.filter((block) => !['json', 'conf'].includes(block.language));

/** The word behind the language says where a block is run; besides these `checkout` and `root`, see below. */
const PLACES = ['server', 'pc', 'bot'] as const;
type Place = (typeof PLACES)[number];

/** Blocks of a checkout. They are run, word for word, by something else, because they would run this test again. */
const RUN_ELSEWHERE: readonly { readonly text: string; readonly by: string }[] = [
  { text: 'npm ci && npm run demo', by: '.ci/run, on a fresh clone' },
  { text: 'npm ci && npm test', by: '.ci/run, on a fresh clone' },
  {
    text: 'npm ci && npm pack\nnpm install -g ./llm-bridge-0.1.0.tgz',
    by: 'test/e2e/package.test.ts, in a copy of the checkout and into a prefix of its own',
  },
];

/** What is not run as it stands. Everything else in a block is. */
interface Substitution {
  readonly from: RegExp;
  readonly to: (world: World) => string;
  readonly why: string;
}
const SUBSTITUTIONS: readonly Substitution[] = [
  {
    from: /bridge@server/g,
    to: ({ user }) => `${user}@server`,
    why: 'sshd of this test lets in the user who runs it',
  },
  { from: /\/srv\/llm-bridge/g, to: ({ dir }) => join(dir, 'srv'), why: 'a temporary folder' },
  { from: /\/tmp\//g, to: ({ dir }) => join(dir, 'tmp/'), why: 'a temporary folder' },
  {
    from: /^ssh -i/gm,
    to: () => 'ssh -o StrictHostKeyChecking=accept-new -i',
    why: 'the person who compares the fingerprint and says yes',
  },
  {
    from: /^scp (\S+) you@server:/gm,
    to: () => 'cp $1 ',
    why: "the reader's own login on the server, which a test does not have",
  },
  {
    from: /https:\/\/api\.telegram\.org/g,
    to: ({ telegram }) => telegram.url,
    why: 'a server of this test that takes whatever is sent to it',
  },
  {
    from: /from 'llm-bridge'/g,
    to: () => `from '${pathToFileURL(join(root, 'dist/index.js'))}'`,
    why: 'the package as it was built here; test/e2e/package.test.ts imports the installed one',
  },
];
// Besides: `ssh` and `llm-bridge` are found in a folder of the test. The one is told where the host "server" is and to keep
// known hosts in $HOME, the other is the built program. The model server is the stand-in, by LLM_BRIDGE_OLLAMA_URL. The
// block for root is run with a user and a folder of its own, see runAsRoot.

/** These go on: they are started, and stopped at the end. `ready`: what they say once they run. */
const IN_BACKGROUND: readonly { readonly command: RegExp; readonly ready: RegExp | null }[] = [
  { command: /^llm-bridge agent /, ready: null },
  { command: /^llm-bridge watch /, ready: /^watching /m },
];

/** What a block has to print, where exit code 0 does not say enough. */
const PRINTS: readonly (readonly [has: RegExp, prints: RegExp])[] = [
  [/llm-bridge init/, /^Made a bridge at .*\/srv\/bridge\.git\./],
  [/bridge-hello/, /^\{"name":"home-pc","role":"agent",/],
  [/key list/, /^home-pc\tagent\tSHA256:/m],
  [/^llm-bridge ask "2\+2"/, /^4\n.* 1 answered.*\n {4}2\+2\n {4}4\n\n$/s],
  [/--accept-new-host-key/, /^4\n\{.*"answer":"144".*\}\n\{"prime":-?\d+\}\n.* 4 answered/s],
  [/doctor --repo \/srv/, /^ok {7}keys: \d+ let in/m],
  [/doctor --repo ssh/, /^ok {7}generation: llama3\.2:latest by ollama answered/m],
  [/service install/, /^ExecStart=.* --parallel 2$/m],
  [/doctor --fix/, /^ok {7}locks: no git that was killed/m],
  [/key=Model/, /^ +4 llama3\.2:latest$/m],
  [/key remove/, /^restrict,command="[^"]*ssh-command home-pc" /],
  [/^import hashlib/, /^42\n$/],
  [/^import json, os, subprocess/, /^42\n$/],
  [/^import \{ ask/, /^42\n$/],
];

/** Where the README is true for the time of this test. */
interface World {
  readonly dir: string;
  readonly user: string;
  readonly telegram: Telegram;
  readonly envs: Readonly<Record<Place, Record<string, string>>>;
}
let world: World;
const background: ChildProcess[] = [];

beforeAll(async () => {
  const dir = await tempDir();
  // ssh-keygen looks for ~/.ssh in the password file, not in $HOME, so it does not make it here.
  for (const folder of ['bin', 'srv', 'tmp', 'home-server', 'home-pc/.ssh', 'home-bot/.ssh'])
    await mkdir(join(dir, folder), { recursive: true });
  const sshd = await startLocalSshd({
    dir: join(dir, 'sshd'),
    authorizedKeysFile: join(dir, 'home-server/.ssh/authorized_keys'),
    extraConfig: [
      `SetEnv GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 TZ=UTC SHLVL=1 HOME=${join(dir, 'home-server')}`,
    ],
  });
  onCleanup(sshd.stop);
  const standIn = await startStandIn();
  onCleanup(standIn.close);

  const realSsh = (await runProcess('sh', ['-c', 'command -v ssh'], { env: cleanEnv(dir) })).stdout.trim();
  const options = `-F /dev/null -o HostName=127.0.0.1 -o Port=${sshd.port} -o IdentityAgent=none`;
  await writeProgram(
    join(dir, 'bin/ssh'),
    `exec ${realSsh} ${options} -o UserKnownHostsFile="$HOME/.ssh/known_hosts" -o GlobalKnownHostsFile=/dev/null "$@"`,
  );
  await writeProgram(
    join(dir, 'bin/llm-bridge'),
    `exec '${process.execPath}' '${join(root, 'dist/cli/main.js')}' "$@"`,
  );
  const envOf = (place: Place) =>
    cleanEnv(join(dir, `home-${place}`), {
      PATH: `${join(dir, 'bin')}:${process.env.PATH}`,
      ...(place === 'pc' ? { LLM_BRIDGE_OLLAMA_URL: standIn.ollamaUrl } : {}),
    });
  const telegram = await startTelegram();
  world = {
    dir,
    user: sshd.user,
    telegram,
    envs: { server: envOf('server'), pc: envOf('pc'), bot: envOf('bot') },
  };
});

afterAll(async () => {
  for (const child of background) if (child.pid !== undefined) await stopProcessTree(child.pid);
});

describe('every command of the README', () => {
  test.for(runnable.map((block) => [titleOf(block), block] as const))('%s', async ([, block], context) => {
    if (block.info === 'checkout') return expectRunElsewhere(block);
    if (block.info === 'root') return runAsRoot(block, context);
    const place = PLACES.find((one) => one === block.info);
    if (place === undefined) throw new Error(`line ${block.line}: nothing says where this is run`);
    const text = SUBSTITUTIONS.reduce((done, { from, to }) => done.replace(from, to(world)), block.text);
    const goesOn = IN_BACKGROUND.find(({ command }) => command.test(text) && !text.includes('\n'));
    if (goesOn !== undefined) return startInBackground(text, place, goesOn.ready);
    const result = await runBlock({ ...block, text }, place, context);
    expect(result.exitCode, `${result.stderr}${result.stdout}`).toBe(0);
    for (const [has, prints] of PRINTS) if (has.test(block.text)) expect(result.stdout).toMatch(prints);
  });

  test('makes executables that are told of every answer from then on', async (context) => {
    const options = { env: world.envs.server, cwd: world.dir };
    const tools = await runProcess(
      'sh',
      ['-c', 'command -v jq && command -v curl && command -v python3'],
      options,
    );
    if (tools.exitCode !== 0) context.skip('there is no jq, curl or python3 in the PATH');
    // The last answer before is the one of the example of the library.
    await waitUntil(() => world.telegram.requests.length > 0, 'a message to the chat');
    expect(world.telegram.requests[0]).toBe('/bot123456:YOUR-TOKEN/sendMessage chat_id=42&text=42');
    const database = JSON.stringify(join(world.dir, 'home-server/answers.db'));
    const query = `import sqlite3; print(sqlite3.connect(${database}).execute("SELECT * FROM answers").fetchall())`;
    await waitUntil(async () => {
      const { stdout } = await runProcess('python3', ['-c', query], options);
      return /^\[\(\d+, 'What is 6 \* 7\?', '42'\)\]$/.test(stdout.trim());
    }, 'a row in the database');
  });

  test('is covered: no other language, no unknown place, no substitution without use', () => {
    const places = ['checkout', 'root', ...PLACES];
    for (const block of runnable) {
      expect(['sh', 'python', 'ts'], `line ${block.line}`).toContain(block.language);
      expect(places, `line ${block.line}`).toContain(block.info);
    }
    const all = runnable.map((block) => block.text);
    const used = (pattern: RegExp) => all.some((text) => text.match(pattern) !== null);
    for (const { from } of SUBSTITUTIONS) expect(used(from), String(from)).toBe(true);
    for (const { command } of IN_BACKGROUND) expect(used(command), String(command)).toBe(true);
    for (const [has] of PRINTS) expect(used(has), String(has)).toBe(true);
    for (const { text } of RUN_ELSEWHERE) expect(all).toContain(text);
  });
});

describe('what the README says of the messages', () => {
  const examples = blocks.filter((block) => block.language === 'json');
  test.each(examples.map((block) => [block.info, block.text] as const))(
    'the example of %s is one',
    (name, text) => {
      const bytes = Buffer.from(text);
      if (name === 'task.json') expect(readTask('task.json', bytes)).toMatchObject({ ok: true });
      else if (name === 'inbox.json') expect(readAnswer(bytes)).toMatchObject({ ok: true });
      else if (name === 'answers.log') logRecordSchema.strict().parse(JSON.parse(text));
      else throw new Error(`${name} is no message`);
    },
  );

  test('every field of task.json has its row, and nothing else has', () => {
    const section = sectionOf(readme, 'task.json');
    expect(firstCells(section).sort()).toEqual(Object.keys(taskJsonSchema.shape).map(code).sort());
    for (const option of Object.keys(taskOptionsSchema.shape)) expect(section).toContain(code(option));
  });

  test('every field of inbox.json and every error code has its row, and nothing else has', () => {
    const expected = [...Object.keys(answerSchema.shape), ...ANSWER_ERROR_CODES];
    expect(firstCells(sectionOf(readme, 'inbox.json')).sort()).toEqual(expected.map(code).sort());
  });

  test('every field that answers.log adds has its row', () => {
    const own = Object.keys(logRecordSchema.shape).filter((key) => !(key in answerSchema.shape));
    expect(firstCells(sectionOf(readme, 'answers.log')).sort()).toEqual(own.map(code).sort());
  });
});

test('every error in the troubleshooting table is one the program can say', async () => {
  const sources = (await readdir(join(root, 'src'), { recursive: true })).filter((one) =>
    one.endsWith('.ts'),
  );
  const hooks = ['hooks/pre-receive', 'hooks/post-receive', 'hooks/ssh-command'];
  const files = [...sources.map((one) => join('src', one)), ...hooks];
  const texts = await Promise.all(files.map((file) => readFile(join(root, file), 'utf8')));
  const said = texts.join('\n').replaceAll("\\'", "'");
  const rows = firstCells(sectionOf(readme, 'Troubleshooting'));
  expect(rows.length).toBeGreaterThan(25);
  for (const row of rows) {
    // Between the names and paths, the words have to be in the source as they stand.
    const missing = row
      .replace(/^`|`$/g, '')
      .split('…')
      .filter((part) => !said.includes(part));
    expect(missing, row).toEqual([]);
  }
});

function titleOf(block: CodeBlock): string {
  const [first = ''] = block.text.split('\n');
  return `line ${block.line}, ${block.language} ${block.info}: ${first.slice(0, 60)}`;
}

function code(name: string): string {
  return `\`${name}\``;
}

async function expectRunElsewhere(block: CodeBlock): Promise<void> {
  expect(RUN_ELSEWHERE.map((one) => one.text)).toContain(block.text);
  const ci = await readFile(join(root, '.ci/run'), 'utf8');
  for (const [command] of block.text.matchAll(/npm (?:ci|test|run demo)/g))
    expect(ci).toMatch(new RegExp(`^${command}`, 'm'));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  for (const [file] of block.text.matchAll(/llm-bridge-\S+\.tgz/g))
    expect(file).toBe(`llm-bridge-${version}.tgz`);
}

/** For real, with a throwaway user and folder. It takes root, and a machine that has useradd. */
async function runAsRoot(block: CodeBlock, context: TestContext): Promise<void> {
  const env = { ...cleanEnv(world.dir), PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const tools = await runProcess('sh', ['-c', 'command -v useradd && command -v userdel'], { env });
  if (process.getuid?.() !== 0 || tools.exitCode !== 0)
    context.skip('making a user takes root, and a system with useradd');
  const user = `llmb-test-${process.pid}`;
  const folder = join(world.dir, 'root-srv');
  const text = block.text
    .replaceAll('/srv/llm-bridge', folder)
    .replace(/(?<![\w/.-])bridge(?![\w.-])/g, user);
  try {
    const made = await runProcess('sh', ['-eu', '-c', text], { env });
    expect(made.exitCode, made.stderr).toBe(0);
    const look = `getent passwd ${user}; stat -c '%U %G %a' ${folder}`;
    const { stdout } = await runProcess('sh', ['-c', look], { env });
    expect(stdout).toMatch(new RegExp(`:/home/${user}:/bin/sh\n${user} ${user} 750\n$`));
  } finally {
    await runProcess('userdel', ['-r', user], { env });
  }
}

/** Takes what is sent to it and says yes. */
interface Telegram {
  readonly url: string;
  /** The path and the body of each request. */
  readonly requests: string[];
}

async function startTelegram(): Promise<Telegram> {
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    requests.push(`${request.url} ${await text(request)}`.trim());
    response.end('{"ok":true}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

async function startInBackground(command: string, place: Place, ready: RegExp | null): Promise<void> {
  const child = spawn('sh', ['-c', `exec ${command}`], {
    env: world.envs[place],
    cwd: world.dir,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  background.push(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await once(child, 'spawn');
  if (ready !== null) await waitUntil(() => ready.test(said), `${ready} of ${command}`);
  expect(child.exitCode, said).toBeNull();
}

async function runBlock(block: CodeBlock, place: Place, context: TestContext): Promise<RunResult> {
  const options = { env: world.envs[place], cwd: world.dir };
  if (block.language === 'sh') return runProcess('sh', ['-eu', '-c', block.text], options);
  if (block.language === 'python') {
    const found = await runProcess('sh', ['-c', 'command -v python3'], options);
    if (found.exitCode !== 0) context.skip('there is no python3 in the PATH');
    return runProcess('python3', ['-c', block.text], options);
  }
  const file = join(world.dir, `line-${block.line}.mjs`);
  await writeFile(file, (await transform(block.text, { loader: 'ts' })).code);
  return runProcess(process.execPath, [file], options);
}

async function writeProgram(file: string, line: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${line}\n`);
  await chmod(file, 0o755);
}
