import { cpSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeKeyPair } from '../../src/admin/make-key-pair.js';
import { startLocalSshd } from '../../src/demo/local-sshd.js';
import { sshCommandFor } from '../../src/demo/ssh-client.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { CLEAN_SESSION, cleanEnv } from '../support/clean-env.js';
import { onCleanup } from '../support/on-cleanup.js';
import { runProcess } from '../support/run-process.js';
import { tempDir } from '../support/temp-dir.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Fetching sixty packages from a slow registry takes longer than anything else here. */
const INSTALL_TIMEOUT_MS = 240_000;

let dir: string;
let prefix: string;
let standIn: StandIn;
/** A copy of this checkout, first without its build and then with it: the tests beside this one use ours. */
let checkout: string;
/** What a pack without a build has been made into: the tarball's files. */
let unbuilt: string;
/** What `npm pack` says is in the tarball. */
let packed: {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
};

/**
 * Runs npm as somebody does who lets no package run scripts: neither ours nor what it depends on needs one.
 * `npm test` hands the settings of this machine (registry, cache) down as npm_config_*, so the environment
 * stays as it is.
 */
async function npm(cwd: string, ...args: string[]): Promise<string> {
  const command = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts', ...args];
  const options = { env: process.env, cwd, timeoutMs: INSTALL_TIMEOUT_MS };
  const { exitCode, stdout, stderr } = await runProcess('npm', command, options);
  expect(exitCode, stderr + stdout).toBe(0);
  return stdout;
}

beforeAll(async () => {
  dir = await tempDir();
  prefix = join(dir, 'prefix');
  standIn = await startStandIn();
  onCleanup(standIn.close);
  checkout = join(dir, 'checkout');
  const skipped = /^(?:node_modules|dist|\.git|coverage)$/;
  // In one go: to wait for each of thousands of small files costs more than the copies do.
  for (const name of (await readdir(root)).filter((one) => !skipped.test(one)))
    cpSync(join(root, name), join(checkout, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(checkout, 'node_modules'), 'dir');
  unbuilt = await unpack(await pack(), 'unbuilt');
  cpSync(join(root, 'dist'), join(checkout, 'dist'), { recursive: true });
  packed = await pack();
  await npm(dir, 'install', '--global', '--prefix', prefix, '--prefer-offline', join(dir, packed.filename));
}, INSTALL_TIMEOUT_MS);

/** Packs what is in the copy, built or not. */
async function pack(): Promise<typeof packed> {
  const said = await npm(checkout, 'pack', '--json', '--pack-destination', dir);
  const [one] = JSON.parse(said.slice(said.indexOf('['))) as (typeof packed)[];
  if (one === undefined) throw new Error(`npm pack said ${said}`);
  return one;
}

async function unpack({ filename }: typeof packed, name: string): Promise<string> {
  const folder = join(dir, name);
  await mkdir(folder);
  const args = ['-xzf', join(dir, filename), '-C', folder, '--strip-components=1'];
  expect(await runProcess('tar', args, { env: process.env })).toMatchObject({ exitCode: 0 });
  return folder;
}

describe('the tarball', () => {
  test('has the program, the hooks, the template and the documents', () => {
    const paths = packed.files.map((file) => file.path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'package.json',
        'LICENSE',
        'README.md',
        'README.ru.md',
        'docs/protocol.md',
        'docs/setup-server.ru.md',
        'docs/vectors/tasks.json',
        'ARCHITECTURE.md',
        'CHANGELOG.md',
        'CONTRIBUTING.md',
        'SECURITY.md',
        'bridge-repo-template/README.md',
        'bridge-repo-template/.gitattributes',
        'hooks/pre-receive',
        'hooks/post-receive',
        'hooks/ssh-command',
        'hooks/ssh-command.d/push.sh',
        'bin/llm-bridge.js',
        'dist/cli/main.js',
        'dist/hooks/pre-receive.cjs',
        'dist/hooks/post-receive.cjs',
        'dist/hooks/standby.cjs',
        'dist/index.js',
        'dist/index.d.ts',
      ]),
    );
  });

  test('has nothing else: no sources, no tests, nothing of whoever packed it', () => {
    const allowed =
      /^(?:bin\/llm-bridge\.js$|dist\/|hooks\/(?:[a-z-]+|ssh-command\.d\/[a-z-]+\.sh)$|docs\/[a-z-]+(?:\.ru)?\.md$|docs\/page-[a-z]+\.png$|docs\/monitoring\/[a-z]+\.(?:yml|json)$|docs\/vectors\/[a-z-]+\.json$|docs\/reference\/bridge_reader\.py$|bridge-repo-template\/(?:README\.md|\.gitattributes)$|(?:package\.json|LICENSE|(?:README|README\.ru|ARCHITECTURE|CHANGELOG|CONTRIBUTING|SECURITY)\.md)$)/;
    expect(packed.files.map((file) => file.path).filter((path) => !allowed.test(path))).toEqual([]);
    expect(packed.files.filter((file) => /\.test\.|\.env|\.tsbuildinfo/.test(file.path))).toEqual([]);
    const command = packed.files.find((file) => file.path === 'bin/llm-bridge.js');
    expect((command?.mode ?? 0) & 0o111).toBe(0o111);
  });

  test('that npm has packed without a build, and without a word, says so when it is started', async () => {
    expect(await readdir(unbuilt)).not.toContain('dist');
    const env = cleanEnv(join(dir, 'home-unbuilt'));
    const started = await runProcess(join(unbuilt, 'bin/llm-bridge.js'), ['ask', '2+2'], { env, cwd: dir });
    expect(started).toMatchObject({ exitCode: 1, stdout: '' });
    expect(started.stderr).toMatch(
      /^error: .* packed without its build: .*\/unbuilt\/dist\/cli\/main\.js is missing\ntry: .*npm run build && npm pack; .*\n$/,
    );
  });

  test('says so where the folder in which one stands was removed', async () => {
    const words = ['-c', 'mkdir gone && cd gone && rmdir ../gone && exec "$0" --version'];
    const started = await runProcess('sh', [...words, join(unbuilt, 'bin/llm-bridge.js')], {
      env: cleanEnv(join(dir, 'home-unbuilt')),
      cwd: dir,
    });
    expect(started).toMatchObject({ exitCode: 1, stdout: '' });
    expect(started.stderr).toBe(
      'error: the folder in which you stand is gone, so no path can be read\ntry: cd, then run it again\n',
    );
  });
});

describe('the package, installed globally into a prefix', () => {
  test('makes a bridge, lets a key in, answers over a real sshd and prints the answer', async () => {
    const program = join(prefix, 'bin/llm-bridge');
    for (const home of ['home-server', 'home-pc']) await mkdir(join(dir, home));
    const server = cleanEnv(join(dir, 'home-server'));
    const run = async (args: readonly string[], env: Record<string, string>) => {
      const result = await runProcess(program, args, { env, cwd: dir });
      expect(result.exitCode, result.stderr).toBe(0);
      return result.stdout;
    };
    const repo = join(dir, 'bridge.git');
    const keys = await makeKeyPair(join(dir, 'agent-key'), 'home-pc');
    await run(['init', repo], server);
    for (const hook of ['pre-receive', 'post-receive']) {
      const stub = await readFile(join(repo, 'hooks', hook), 'utf8');
      const installed = join(prefix, 'lib/node_modules/git-llm-bridge/dist/hooks', `${hook}.cjs`);
      expect(stub).toContain(`\nhook=${installed}\n`);
    }
    await run(
      ['key', 'add', 'home-pc', '--role', 'agent', '--key', keys.publicKeyFile, '--repo', repo],
      server,
    );

    const sshd = await startLocalSshd({
      dir: join(dir, 'sshd'),
      authorizedKeysFile: join(dir, 'home-server/.ssh/authorized_keys'),
      sessionEnv: CLEAN_SESSION,
    });
    onCleanup(sshd.stop);
    const pc = cleanEnv(join(dir, 'home-pc'), { GIT_SSH_COMMAND: sshCommandFor(sshd, keys.identityFile) });
    const task = (await run(['ask', '2+2', '--no-wait', '--repo', repo], server)).trim();
    const address = `ssh://${sshd.user}@127.0.0.1:${sshd.port}${repo}`;
    await run(['agent', '--once', '--repo', address, '--ollama-url', standIn.ollamaUrl], pc);
    const record = JSON.parse(await run(['log', '--json', '--repo', repo], server));
    expect(record).toMatchObject({ seq: 1, task_commit: task, answer: '4', agent: 'home-pc' });
    // Another run finds nothing to do.
    await run(['agent', '--once', '--repo', address, '--ollama-url', standIn.ollamaUrl], pc);
    expect((await readFile(join(repo, 'bridge/answers.log'), 'utf8')).split('\n')).toHaveLength(2);
  });

  test('says how it is updated: from a tarball, in its own prefix', async () => {
    const repo = join(dir, 'newer.git');
    const env = cleanEnv(join(dir, 'home-newer'));
    const program = join(prefix, 'bin/llm-bridge');
    expect(await runProcess(program, ['init', repo], { env, cwd: dir })).toMatchObject({ exitCode: 0 });
    await runProcess('git', ['-C', repo, 'config', 'bridge.version', '99'], { env });
    for (const command of [
      ['init', repo],
      ['doctor', '--repo', repo],
    ]) {
      const { stdout, stderr, exitCode } = await runProcess(program, command, { env, cwd: dir });
      expect(stdout + stderr).toContain('was made by a newer llm-bridge');
      expect(stdout + stderr).toMatch(
        new RegExp(`npm install -g --prefix ${prefix} \\./git-llm-bridge-VERSION\\.tgz`),
      );
      expect(exitCode).toBe(1);
    }
  });

  test('is a library with types for a strict TypeScript consumer', async () => {
    const consumer = join(dir, 'consumer');
    await mkdir(consumer);
    await writeFile(join(consumer, 'package.json'), '{"type": "module"}');
    // The same files and the same packages below them as an install of its own would bring.
    const modules = join(consumer, 'node_modules');
    await mkdir(modules);
    const installed = join(prefix, 'lib/node_modules/git-llm-bridge');
    await symlink(installed, join(modules, 'git-llm-bridge'), 'dir');
    await symlink(join(root, 'node_modules/@types'), join(modules, '@types'), 'dir');
    await writeFile(join(consumer, 'consumer.ts'), CONSUMER);
    const env = cleanEnv(join(dir, 'home-consumer'));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const options = [
      '--strict',
      '--exactOptionalPropertyTypes',
      '--noUncheckedIndexedAccess',
      '--module',
      'nodenext',
    ];
    const compiled = await runProcess(
      process.execPath,
      [tsc, ...options, '--target', 'es2023', '--lib', 'es2023', '--types', 'node', 'consumer.ts'],
      { env, cwd: consumer },
    );
    expect(compiled.stdout + compiled.stderr).toBe('');
    expect(compiled.exitCode).toBe(0);
    const result = await runProcess(
      process.execPath,
      [
        join(consumer, 'consumer.js'),
        join(dir, 'library.git'),
        join(dir, 'library-state'),
        standIn.ollamaUrl,
      ],
      { env, cwd: consumer },
    );
    expect(result).toMatchObject({
      stdout: 'created\n42 by reader\nnot-a-bridge\n',
      stderr: '',
      exitCode: 0,
    });
  });
});

/** Uses what the README and the entry promise, with the types that are to come out of it. */
const CONSUMER = `
import { ask, type Answer, type AskOutcome, BridgeError, createAgent, initBridge, type InitResult } from 'git-llm-bridge';
import { answerSchema, type LogRecord, logRecordSchema, taskJsonSchema, type TaskJson } from 'git-llm-bridge';

const [repo = '', stateDir = '', ollamaUrl = ''] = process.argv.slice(2);
const made: InitResult = await initBridge(repo, process.env);
console.log(made.status);

const task: TaskJson = taskJsonSchema.parse({ prompt: 'What is 6 * 7?', format: { type: 'integer' } });
const agent = createAgent({ repo, stateDir, ollamaUrl, name: 'reader', pollMs: 100, backends: ['ollama'] });
const stop = new AbortController();
const running: Promise<void> = agent.run(stop.signal);
const outcome: AskOutcome = await ask({ repo, task, timeoutMs: 120_000, signal: stop.signal });
if (outcome.status !== 'answered') throw new Error(outcome.status);
const answer: Answer = answerSchema.parse(outcome.answer);
console.log(\`\${answer.answer} by \${answer.agent}\`);
stop.abort();
await running;

// @ts-expect-error: a task has no such field
const wrong: TaskJson = { prompt: 'x', temprature: 1 };
const record: LogRecord | undefined = logRecordSchema.safeParse(wrong).data;
try {
  await ask({ repo: stateDir, task });
} catch (error) {
  if (error instanceof BridgeError && record === undefined) console.log(error.code);
}
`;
