import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transform } from 'esbuild';
import { beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { expectedHooks } from '../../src/admin/install-hooks.js';
import { clientLines } from '../../src/gateway/client-settings.js';
import { DEFAULT_LISTEN } from '../../src/gateway/listen-address.js';
import { readTask } from '../../src/protocol/task.js';
import { cleanEnv } from '../support/clean-env.js';
import { matchesOutput, readSessions, typeStep } from '../support/console-session.js';
import {
  type GuideWorld,
  PLACES,
  type Place,
  SUBSTITUTIONS,
  type Substitution,
  startGuideWorld,
} from '../support/guide-world.js';
import { onCleanup } from '../support/on-cleanup.js';
import { type CodeBlock, firstCells, readCodeBlocks, sectionOf } from '../support/read-markdown.js';
import { readableProgram } from '../support/readable-program.js';
import { type RunResult, runProcess } from '../support/run-process.js';
import { waitUntil } from '../support/wait-until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/**
 * The README and the pages that it sends a program's author to, in this order: each goes on where the one
 * before it ended.
 */
const PAGES = ['README.md', 'docs/bots.md', 'docs/on-answer.md', 'docs/library.md', 'docs/service.md'];
const blocks: readonly (CodeBlock & { readonly page: string })[] = (
  await Promise.all(
    PAGES.map(async (page) =>
      readCodeBlocks(await readFile(join(root, page), 'utf8')).map((block) => ({ ...block, page })),
    ),
  )
).flat();
const runnable = blocks.filter((block) => block.language !== 'json');

/**
 * Blocks of a checkout and of a project of the reader's. They are run, word for word, by something else,
 * because they would run this test again.
 */
const RUN_ELSEWHERE: readonly { readonly text: string; readonly by: string }[] = [
  { text: 'npm ci && npm run demo', by: '.ci/run, on a fresh clone' },
  { text: 'npm ci && npm test', by: '.ci/run, on a fresh clone' },
  {
    text: clientLines(`http://${DEFAULT_LISTEN}`).join('\n'),
    by: 'test/e2e/demo.test.ts, which reads them from what the demo says',
  },
  {
    text: 'npm ci && npm run build && npm pack\nnpm install -g ./git-llm-bridge-0.1.0.tgz',
    by: 'test/e2e/package.test.ts, in a copy of the checkout and into a prefix of its own',
  },
  { text: 'npm install ./git-llm-bridge-0.1.0.tgz', by: 'test/e2e/package.test.ts, in a project of its own' },
];

/** What is not run as it stands, besides the SUBSTITUTIONS of the world. */
const OWN_SUBSTITUTIONS: readonly Substitution[] = [
  {
    from: /https:\/\/api\.telegram\.org/g,
    to: () => telegram.url,
    why: 'a server of this test that takes whatever is sent to it',
  },
  {
    from: /from 'git-llm-bridge'/g,
    to: () => `from '${pathToFileURL(join(root, 'dist/index.js'))}'`,
    why: 'the package as it was built here; test/e2e/package.test.ts imports the installed one',
  },
];
// Besides: the block for root is run with a user and a folder of its own, see runAsRoot.

/** These go on: they are started, and stopped at the end. `ready`: what they say once they run. */
const IN_BACKGROUND: readonly { readonly command: RegExp; readonly ready: RegExp | null }[] = [
  { command: /^llm-bridge agent /, ready: null },
  { command: /^llm-bridge watch /, ready: /^watching /m },
];

/** What a block has to print, where exit code 0 does not say enough. */
const PRINTS: readonly (readonly [has: RegExp, prints: RegExp])[] = [
  [/bridge-hello/, /^\{"name":"home-pc","role":"agent",/],
  [/service install/, /^ExecStart=.* --parallel 2 --identity \S+$/m],
  [/^import hashlib/, /^42\n$/],
  [/^import json, os, subprocess/, /^42\n$/],
  [/^import \{ ask/, /^42\n$/],
  [/^import \{ stream/, /^42\n$/],
];

let world: GuideWorld;
let telegram: Telegram;
beforeAll(async () => {
  world = await startGuideWorld();
  telegram = await startTelegram();
});

describe('every command of the README and of the pages for programs', () => {
  test.for(runnable.map((block) => [titleOf(block), block] as const))('%s', async ([, block], context) => {
    if (['checkout', 'project'].includes(block.info)) return expectRunElsewhere(block);
    if (block.info === 'root') return runAsRoot(block, context);
    if (block.language === 'console') return typeSession(block);
    const place = PLACES.find((one) => one === block.info);
    if (place === undefined) throw new Error(`line ${block.line}: nothing says where this is run`);
    const text = OWN_SUBSTITUTIONS.reduce(
      (done, { from, to }) => done.replace(from, to(world)),
      world.substitute(block.text),
    );
    const goesOn = IN_BACKGROUND.find(({ command }) => command.test(text) && !text.includes('\n'));
    if (goesOn !== undefined) {
      const { ready } = goesOn;
      await world.start(place, text, ready === null ? null : (said) => ready.test(said));
      return;
    }
    const result = await runBlock({ ...block, text }, place, context);
    expect(result.exitCode, `${result.stderr}${result.stdout}`).toBe(0);
    for (const [has, prints] of PRINTS) if (has.test(block.text)) expect(result.stdout).toMatch(prints);
  });

  test('makes executables that are told of every answer from then on', async (context) => {
    const tools = await world.run('server', [
      'sh',
      '-c',
      'command -v jq && command -v curl && command -v python3',
    ]);
    if (tools.exitCode !== 0) context.skip('there is no jq, curl or python3 in the PATH');
    // The last answer before is the one of the example of the library.
    await waitUntil(() => telegram.requests.length > 0, 'a message to the chat');
    expect(telegram.requests[0]).toBe('/bot123456:YOUR-TOKEN/sendMessage chat_id=42&text=42');
    const query =
      'import os, sqlite3; print(sqlite3.connect(os.path.expanduser("~/answers.db")).execute("SELECT * FROM answers").fetchall()[-1:])';
    await waitUntil(async () => {
      const { stdout } = await world.run('server', ['python3', '-c', query]);
      return /^\[\(\d+, 'What is 6 \* 7\?', '42'\)\]$/.test(stdout.trim());
    }, 'a row in the database');
  });

  test('is covered: no other language, no unknown place, no substitution without use', () => {
    const places = ['checkout', 'project', 'root', ...PLACES];
    for (const block of runnable.filter((one) => one.language !== 'console')) {
      expect(['sh', 'python', 'ts'], titleOf(block)).toContain(block.language);
      expect(places, titleOf(block)).toContain(block.info);
    }
    const all = runnable.map((block) => block.text);
    const used = (pattern: RegExp) => all.some((text) => text.match(pattern) !== null);
    for (const { from } of [...SUBSTITUTIONS, ...OWN_SUBSTITUTIONS])
      expect(used(from), String(from)).toBe(true);
    for (const { command } of IN_BACKGROUND) expect(used(command), String(command)).toBe(true);
    for (const [has] of PRINTS) expect(used(has), String(has)).toBe(true);
    for (const { text } of RUN_ELSEWHERE) expect(all).toContain(text);
  });
});

describe('what the pages say of the messages', () => {
  const examples = blocks.filter((block) => block.language === 'json');
  test.each(examples.map((block) => [block.info, block.text] as const))(
    'the example of %s is one',
    (name, text) => {
      const bytes = Buffer.from(text);
      if (name === 'task.json') expect(readTask('task.json', bytes)).toMatchObject({ ok: true });
      else throw new Error(`${name} is no message`);
    },
  );
});

test('every error in the troubleshooting table is one the program can say', async () => {
  const sources = (await readdir(join(root, 'src'), { recursive: true })).filter((one) =>
    one.endsWith('.ts'),
  );
  const hooks = await expectedHooks({ node: '', path: '' });
  const texts = await Promise.all(sources.map((file) => readFile(join(root, 'src', file), 'utf8')));
  texts.push(...hooks.map(({ text }) => text));
  const said = texts.join('\n').replaceAll("\\'", "'");
  const page = await readFile(join(root, 'docs/troubleshooting.md'), 'utf8');
  const rows = firstCells(sectionOf(page, 'Errors of commands'));
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

async function typeSession(block: CodeBlock): Promise<void> {
  for (const step of readSessions(`\`\`\`console\n${block.text}\n\`\`\`\n`)) {
    const { printed, exitCode } = await typeStep(world, step);
    expect(matchesOutput(step.output, printed), `${step.command} printed:\n${printed}`).toBe(true);
    expect(exitCode, printed).toBe(step.exitCode);
  }
}

function titleOf(block: CodeBlock & { readonly page: string }): string {
  const [first = ''] = block.text.split('\n');
  return `${block.page}, line ${block.line}, ${block.language} ${block.info}: ${first.slice(0, 60)}`;
}

async function expectRunElsewhere(block: CodeBlock): Promise<void> {
  expect(RUN_ELSEWHERE.map((one) => one.text)).toContain(block.text);
  const ci = await readFile(join(root, '.ci/run'), 'utf8');
  for (const [command] of block.text.matchAll(/npm (?:ci|test|run demo)/g))
    expect(ci).toMatch(new RegExp(`^${command}`, 'm'));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  for (const [file] of block.text.matchAll(/[\w-]*llm-bridge-\S+\.tgz/g))
    expect(file).toBe(`git-llm-bridge-${version}.tgz`);
}

/**
 * For real, with a throwaway user and folder. It takes root, and a machine that has useradd. The bridge of
 * the pages is that of the world, whose places are one user.
 */
async function runAsRoot(block: CodeBlock, context: TestContext): Promise<void> {
  const { exitCode, stderr } = await world.run('server', [
    'llm-bridge',
    'init',
    join(world.dir, 'srv/bridge.git'),
  ]);
  expect(exitCode, stderr).toBe(0);
  const env = { ...cleanEnv(world.dir), PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const tools = await runProcess('sh', ['-c', 'command -v useradd && command -v userdel'], { env });
  if (process.getuid?.() !== 0 || tools.exitCode !== 0)
    context.skip('making a user takes root, and a system with useradd');
  const user = `llmb-test-${process.pid}`;
  const folder = join(world.dir, 'root-srv');
  const text = block.text
    .replaceAll('/srv/llm-bridge', folder)
    .replace('--system', `--system --user ${user}`);
  const program = join(await readableProgram('nobody'), 'dist/cli/main.js');
  try {
    const made = await runProcess(
      'sh',
      ['-eu', '-c', text.replace(/^llm-bridge/, `'${process.execPath}' '${program}'`)],
      { env },
    );
    expect(made.exitCode, made.stderr).toBe(0);
    expect(made.stdout).toMatch(/^Made a bridge at /m);
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
    requests.push(`${request.url} ${await readText(request)}`.trim());
    response.end('{"ok":true}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

async function runBlock(block: CodeBlock, place: Place, context: TestContext): Promise<RunResult> {
  if (block.language === 'sh') return world.run(place, ['sh', '-eu', '-c', block.text]);
  if (block.language === 'python') {
    const found = await world.run(place, ['sh', '-c', 'command -v python3']);
    if (found.exitCode !== 0) context.skip('there is no python3 in the PATH');
    return world.run(place, ['python3', '-c', block.text]);
  }
  const file = join(world.dir, `line-${block.line}.mjs`);
  await writeFile(file, (await transform(block.text, { loader: 'ts' })).code);
  return world.run(place, [process.execPath, file]);
}
