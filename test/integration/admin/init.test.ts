import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { enforcedSettings } from '../../../src/admin/repository-settings.js';
import { cleanEnv } from '../../support/clean-env.js';
import { runCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { stepsOf } from '../../support/dying-cli.js';
import { git, gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { copyBridge } from '../../support/new-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { startPlainBridge } from '../../support/plain-bridge.js';
import { readableProgram } from '../../support/readable-program.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

// SECURITY.md: P20

const SETTINGS = enforcedSettings({ maxTaskBytes: 8388608, maxAnswerBytes: 8388608 });

const MAIN_JS = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const asRoot = process.getuid?.() === 0;

let env: Record<string, string>;

beforeAll(async () => {
  env = cleanEnv(await tempDir());
});

const init = (path: string, extra: Record<string, string> = {}): Promise<RunResult> =>
  runCli(['init', path], { env: { ...env, ...extra } });

const config = async (repo: string, ...args: string[]): Promise<string> =>
  (await gitOk(['config', '--local', ...args], { gitDir: repo, env })).trim();

/** A bridge that `init` has made. */
async function madeBridge(parent?: string): Promise<string> {
  const repo = join(parent ?? (await tempDir()), 'bridge.git');
  copyBridge(inject('newBridge'), repo);
  return repo;
}

/** What init refuses before it needs what is built, in this process; each table has one row as a program. */
const initHere = (path: string): Promise<RunResult> => runCliHere(['init', path], { env });

/** Every file and folder below `path`, with all that tells whether it was touched. */
async function listing(path: string): Promise<string[]> {
  const names = await readdir(path, { recursive: true });
  const rows = ['.', ...names].sort().map(async (name) => {
    const { mode, mtimeMs, ctimeMs, ino, size } = await lstat(join(path, name));
    return [name, mode, mtimeMs, ctimeMs, ino, size].join(' ');
  });
  return Promise.all(rows);
}

test('a fresh bridge has hooks, settings, one commit and an empty log, and nothing lies beside it', async () => {
  const parent = await tempDir();
  const repo = join(parent, 'a', 'b c', 'bridge.git');

  const made = await init(repo, { USER: 'who-was-there-before-su' });

  expect(made).toMatchObject({ exitCode: 0, stderr: '' });
  expect(made.stdout).toContain(`Made a bridge at ${repo}`);
  expect(made.stdout).toContain(`  llm-bridge join 'ssh://${userInfo().username}@<server>${repo}'`);
  expect(await readdir(join(parent, 'a', 'b c'))).toEqual(['bridge.git']);
  for (const [key, ...values] of SETTINGS)
    expect(await config(repo, '--get-all', key)).toBe(values.join('\n'));
  expect(await config(repo, '--get', 'bridge.taskTtl')).toBe('7d');
  expect(await readFile(join(repo, 'HEAD'), 'utf8')).toBe('ref: refs/heads/main\n');
  expect(await readFile(join(repo, 'bridge/answers.log'), 'utf8')).toBe('');
  expect(await readFile(join(repo, 'logs/HEAD'), 'utf8')).toMatch(/llm-bridge init\n$/);
  for (const name of [
    'hooks/pre-receive',
    'hooks/post-receive',
    'bridge/ssh-command',
    'bridge/receive-pack',
  ]) {
    expect(((await stat(join(repo, name))).mode & 0o777).toString(8)).toBe('755');
    expect(await readFile(join(repo, name), 'utf8')).not.toMatch(/@[A-Z_]+@/);
  }
  const at = { gitDir: repo, env };
  expect(await git(['fsck', '--strict', '--no-dangling'], at)).toMatchObject({ exitCode: 0, stdout: '' });
  expect(await gitOk(['log', '--format=%an|%P|%s', 'main'], at)).toBe('llm-bridge||Make a bridge\n');
  const template = fileURLToPath(new URL('../../../bridge-repo-template/', import.meta.url));
  const names = (await gitOk(['ls-tree', '--name-only', 'main'], at)).trim().split('\n');
  expect(names.sort()).toEqual((await readdir(template)).sort());
  for (const name of names) {
    expect(await gitOk(['show', `main:${name}`], at)).toBe(await readFile(join(template, name), 'utf8'));
  }
});

test('the settings of a fresh bridge are written at once, so that git finds none of them wrong', async () => {
  const steps = await stepsOf(['init', join(await tempDir(), 'bridge.git')], { env });

  const looks = / -z --get-regexp | --list /;
  const gits = steps.filter((step) => / config /.test(step));
  expect(gits.some((step) => looks.test(step))).toBe(true);
  expect(gits.filter((step) => !looks.test(step))).toEqual([]);
});

test('an empty folder keeps its mode, and who stands in it stands in the bridge', async () => {
  const dir = await tempDir();
  await chmod(dir, 0o700);
  const before = await stat(dir);

  const made = await runProcess(process.execPath, [MAIN_JS, 'init', '.'], { cwd: dir, env });

  expect(made.exitCode).toBe(0);
  const after = await stat(dir);
  expect([after.ino, after.mode]).toEqual([before.ino, before.mode]);
  expect(await readdir(dir)).toContain('config');
});

test('a bridge of a newer llm-bridge is not set back', async () => {
  const repo = await madeBridge();
  await gitOk(['config', 'bridge.version', '999'], { gitDir: repo, env });

  const again = await init(repo);

  expect(again.exitCode).toBe(1);
  expect(again.stderr).toContain('newer llm-bridge (protocol 999, this one knows 2)');
  expect(await config(repo, 'bridge.version')).toBe('999');
});

test('an empty folder that is there already becomes the bridge', async () => {
  const repo = await tempDir();

  expect(await init(repo)).toMatchObject({ exitCode: 0 });

  expect(await config(repo, '--get', 'bridge.version')).toBe('2');
});

test('init again over a bridge in use changes not one file, and keeps what the owner has set', async () => {
  const bridge = await startPlainBridge({ principals: { bot: 'asker' } });
  const asked = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), 'q'));
  await bridge.pushOk(await bridge.writer.answer(asked, anAnswer(asked, 'q')));
  await config(bridge.repoPath, 'bridge.taskTtl', '1h');
  await config(bridge.repoPath, 'bridge.answersLog', 'elsewhere.log');
  await config(bridge.repoPath, 'user.own', 'stays');
  const before = await listing(bridge.repoPath);

  const again = await runCli(['init', bridge.repoPath], { env: bridge.env });

  expect(again).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('nothing changed') });
  expect(await listing(bridge.repoPath)).toEqual(before);
  expect(await config(bridge.repoPath, '--get', 'bridge.taskTtl')).toBe('1h');
});

test('init again mends hooks and settings that were changed, names them, and leaves all else', async () => {
  const repo = await madeBridge();
  const text = await readFile(join(repo, 'hooks/pre-receive'), 'utf8');
  await writeFile(join(repo, 'hooks/pre-receive'), '#!/bin/sh\nexit 0\n');
  await chmod(join(repo, 'hooks/post-receive'), 0o644);
  await rm(join(repo, 'bridge/ssh-command'));
  // As in a bridge of an older version.
  await rm(join(repo, 'bridge/streams'), { recursive: true });
  await config(repo, 'core.hooksPath', '/nowhere');
  await config(repo, '--add', 'receive.fsckObjects', 'false');
  await config(repo, '--unset', 'bridge.maxTaskBytes');
  await config(repo, 'bridge.taskTtl', '2d');
  const head = await gitOk(['rev-parse', 'main'], { gitDir: repo, env });

  const { stdout } = await init(repo);

  expect(stdout).toBe(
    `${repo} upgraded: hooks/pre-receive, hooks/post-receive, bridge/ssh-command, core.hooksPath, receive.fsckObjects, bridge.maxTaskBytes, bridge/streams.\n`,
  );
  expect(await readFile(join(repo, 'hooks/pre-receive'), 'utf8')).toBe(text);
  expect((await stat(join(repo, 'hooks/post-receive'))).mode & 0o777).toBe(0o755);
  expect((await stat(join(repo, 'bridge/streams'))).mode & 0o777).toBe(0o750);
  for (const [key, ...values] of SETTINGS)
    expect(await config(repo, '--get-all', key)).toBe(values.join('\n'));
  expect(await config(repo, '--get', 'bridge.taskTtl')).toBe('2d');
  expect(await gitOk(['rev-parse', 'main'], { gitDir: repo, env })).toBe(head);
});

describe('what is in the way is refused and left as it is', () => {
  type Maker = (dir: string) => Promise<string>;
  const cases: readonly (readonly [string, string, Maker])[] = [
    ['a file', 'it is a file', async (dir) => put(join(dir, 'file'))],
    [
      'a path through a file',
      'part of it is a file',
      async (dir) => join(await put(join(dir, 'file')), 'x.git'),
    ],
    [
      'a folder with something in it',
      'other files in it',
      async (dir) => {
        await put(join(dir, 'note'));
        return dir;
      },
    ],
    [
      'a work tree',
      'work tree',
      async (dir) => {
        await gitOk(['init', '-q', dir], { env });
        return dir;
      },
    ],
    [
      'a bare repository that is no bridge',
      'no bridge',
      async (dir) => {
        await gitOk(['init', '-q', '--bare', dir], { env });
        return dir;
      },
    ],
    [
      'a link to nowhere',
      'could not be put there',
      async (dir) => {
        await symlink(join(dir, 'gone'), join(dir, 'link'));
        return join(dir, 'link');
      },
    ],
  ];
  test.each(cases)('%s', async (what, says, make) => {
    const dir = await tempDir();
    const path = await make(dir);
    const before = await names(dir);

    // The link is seen only when the bridge is made.
    const result = await (/^a (?:file|link to nowhere)$/.test(what) ? init : initHere)(path);

    expect(result).toMatchObject({ exitCode: 1, stdout: '' });
    expect(result.stderr).toMatch(/^error: .* is taken: .*\ntry: .*\n$/);
    expect(result.stderr).toContain(says);
    expect(await names(dir)).toEqual(before);
  });

  test.each(["it's", 'a"b', 'a\\b', 'a$b', 'a`b', 'a!b', 'a\nb', 'a\tb', 'a\u007fb'])(
    'the path %j',
    async (name) => {
      const dir = await tempDir();

      const result = await (name === "it's" ? init : initHere)(join(dir, name));

      expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('cannot be the path') });
      expect(await readdir(dir)).toEqual([]);
    },
  );

  async function put(file: string): Promise<string> {
    await writeFile(file, 'mine');
    return file;
  }
  const names = async (dir: string) => (await readdir(dir, { recursive: true })).sort();
});

describe.skipIf(!asRoot)('between users (needs root to play both)', () => {
  test("another user's folder is refused, also to root, and nothing in it is touched", async () => {
    const repo = await madeBridge();
    await chown(repo, 65_534, 65_534);
    const before = await listing(repo);

    const result = await init(repo);

    expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('belongs to another user') });
    expect(result.stderr).toContain("sudo -u '#65534'");
    expect(await listing(repo)).toEqual(before);
  });

  test('a folder one may not write to is said with what to do', async () => {
    const dir = await mkdtemp(join(await realpath(tmpdir()), 'llm-bridge-test-'));
    onCleanup(() => rm(dir, { recursive: true, force: true }));
    await chmod(dir, 0o755);
    const program = join(await readableProgram('nobody'), 'dist/cli/main.js');
    const args = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, program, 'init'];

    for (const path of [join(dir, 'bridge.git'), join(dir, 'deep/er/bridge.git')]) {
      const result = await runProcess('setpriv', [...args, path], { env: { ...env, HOME: '/' }, cwd: '/' });

      expect(result).toMatchObject({ exitCode: 1, stdout: '' });
      expect(result.stderr).toMatch(/^error: cannot write to .* \(EACCES\)\ntry: make it first, as root: /);
    }
    expect(await readdir(dir)).toEqual([]);

    // What is behind a closed folder may be somebody's bridge.
    const shut = join(dir, 'shut');
    await mkdir(shut, { mode: 0o750 });
    const repo = await madeBridge(shut);
    const run = (...words: string[]) =>
      runProcess('setpriv', [...args.slice(0, -1), ...words], { env: { ...env, HOME: '/' }, cwd: '/' });
    expect(await run('init', repo)).toMatchObject({
      exitCode: 1,
      stderr: `error: cannot look at ${repo}: a folder above it is closed to you\ntry: if a bridge is there, its owner runs this; for one of your own give a path in your own folder\n`,
    });
    const service = await run('service', 'install', 'serve', '--print', '--repo', repo);
    expect(service.exitCode).toBe(1);
    expect(service.stderr).toMatch(
      /^error: the repository .*bridge\.git belongs to another user\ntry: come in over SSH with a key/,
    );
  });
});

test('an init that is killed leaves no bridge, and the next one sweeps up after it', async () => {
  const dir = await tempDir();
  const repo = join(dir, 'bridge.git');
  // A git that stops at the first commit, so that the draft is half made for certain.
  const bin = join(dir, 'bin');
  await mkdir(bin);
  const fake =
    '#!/bin/sh\ncase " $* " in *" mktree "*) exec sleep 1000 ;; *) PATH=$REAL_PATH exec git "$@" ;; esac\n';
  await writeFile(join(bin, 'git'), fake, { mode: 0o755 });
  const child: ChildProcess = spawn(process.execPath, [MAIN_JS, 'init', repo], {
    env: { ...env, PATH: `${bin}:${env.PATH}`, REAL_PATH: env.PATH ?? '' },
    stdio: 'ignore',
    detached: true,
  });
  const gone = once(child, 'exit');
  const drafts = async () => (await readdir(dir)).filter((name) => name.startsWith('.bridge.git.init-'));
  await waitUntil(async () => {
    const [draft] = await drafts();
    return draft !== undefined && (await readdir(join(dir, draft))).includes('hooks');
  }, 'the draft is half made');
  process.kill(-(child.pid ?? Number.NaN), 'SIGKILL');
  await gone;
  expect(await drafts()).toHaveLength(1);
  await expect(stat(repo)).rejects.toThrow();
  // One of a process that lives is somebody's work.
  await mkdir(join(dir, `.bridge.git.init-${process.pid}`));

  expect(await init(repo)).toMatchObject({ exitCode: 0 });

  expect(await drafts()).toEqual([`.bridge.git.init-${process.pid}`]);
});

test('of several inits at once one makes the bridge, and it is whole', async () => {
  const repo = join(await tempDir(), 'bridge.git');

  const results = await Promise.all([init(repo), init(repo), init(repo)]);

  expect(results.filter(({ stdout }) => stdout.startsWith('Made'))).toHaveLength(1);
  for (const { exitCode, stderr } of results)
    expect(exitCode === 0 || stderr.includes('is taken')).toBe(true);
  expect(await readdir(join(repo, '..'))).toEqual([basename(repo)]);
  expect(await init(repo)).toMatchObject({ stdout: expect.stringContaining('nothing changed') });
});

test('a hooks path in the settings of whoever pushes does not switch the hooks off', async () => {
  const bridge = await startPlainBridge();
  const global = join(bridge.dir, 'gitconfig');
  await writeFile(global, '[core]\n\thooksPath = /nowhere\n');
  const bad = await bridge.writer.set(await bridge.tip(), 'notes.txt', 'x');

  const pushed = await git(['push', bridge.repoPath, `${bad}:refs/heads/main`], {
    gitDir: bridge.cloneDir,
    env: { ...bridge.env, GIT_CONFIG_GLOBAL: global },
  });

  expect(pushed.stderr).toContain('llm-bridge refused [shape]');
});

test('a bridge of SHA-256 objects works like any other', async () => {
  const bridge = await startPlainBridge({ env: { GIT_DEFAULT_HASH: 'sha256' } });
  const start = await bridge.tip();
  expect(start).toHaveLength(64);
  const asked = await bridge.pushOk(await bridge.writer.ask(start, 'q'));

  const answer = await bridge.pushOk(await bridge.writer.answer(asked, anAnswer(asked, 'q')));

  expect(JSON.parse(await bridge.readLog())).toMatchObject({ seq: 1, commit: answer, task_commit: asked });
  const short = await bridge.writer.answer(answer, anAnswer(asked.slice(0, 40), 'q'));
  const refused = await bridge.push([`${short}:refs/heads/main`]);
  expect(refused.stderr).toContain('llm-bridge refused [unknown-task]');
});
