import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  access,
  appendFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkHooks } from '../../../src/admin/doctor/check-hooks.js';
import { StreamDemux } from '../../../src/bridge/stream-demux.js';
import { MAX_STREAMS, sweepStreams } from '../../../src/bridge/stream-folder.js';
import { stopProcessTree } from '../../../src/process/stop-process-tree.js';
import { findShells, type Shell } from '../../support/find-shells.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { waitUntil } from '../../support/wait-until.js';

// SECURITY.md: P34

const TASK = 'a1'.repeat(20);
const isLinux = process.platform === 'linux';

let bridge: PlainBridge;
let folder: string;
let shells: readonly Shell[];

beforeAll(async () => {
  bridge = await startPlainBridge({ principals: { 'home-pc': 'agent', bot: 'asker' } });
  folder = join(bridge.repoPath, 'bridge/streams');
  shells = await findShells();
});

beforeEach(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
});

const fileOf = (task = TASK) => join(folder, task);
const read = (task = TASK) => readFile(fileOf(task), 'utf8');
const names = async () => (await readdir(folder)).sort();
const environmentOf = (command: string) => ({
  HOME: bridge.dir,
  PATH: '/nowhere',
  SSH_ORIGINAL_COMMAND: command,
});
const wordsOf = ([, args]: Shell, who: string) => [...args, join(bridge.repoPath, 'bridge/ssh-command'), who];

/** Runs a command to its end, as sshd would for this key. */
function served(shell: Shell, who: string, command: string, input?: string | Uint8Array): Promise<RunResult> {
  return runProcess(shell[0], wordsOf(shell, who), {
    env: environmentOf(command),
    cwd: '/',
    input,
    ownSession: true,
  });
}

/** Starts a session that stays; it ends with the test. */
function open(shell: Shell, who: string, command: string): Session {
  const child = spawn(shell[0], wordsOf(shell, who), {
    env: environmentOf(command),
    cwd: '/',
    detached: true,
  });
  let heard = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
  });
  child.stderr.resume();
  child.stdin.on('error', () => {});
  const closed = once(child, 'close');
  const end = async () => {
    child.stdin.destroy();
    // A tail ends with its client where that is sshd, which has a real pipe.
    if (command.startsWith('bridge-listen')) await stopProcessTree(child);
    // Where the shell has died by itself, its tail is not found any more, and would hold these open.
    child.stdout.destroy();
    child.stderr.destroy();
    await closed;
  };
  onCleanup(end);
  const hears = (text: string) =>
    waitUntil(() => heard === text || (heard.length > text.length && heard), `hears ${text}, not ${heard}`);
  return { child, end, hears, heard: () => heard };
}

interface Session {
  readonly child: ChildProcessWithoutNullStreams;
  end(): Promise<void>;
  /** Waits until it has heard this, and nothing else. */
  hears(text: string): Promise<unknown>;
  heard(): string;
}

async function inEachShell(look: (shell: Shell) => Promise<void>): Promise<void> {
  for (const shell of shells) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    await look(shell);
  }
}

const dash = (): Shell => shells[0] ?? ['sh', []];

describe('a stream', () => {
  test.skipIf(!isLinux)(
    'is heard line by line while it is said, from the beginning, and leaves its file',
    async () => {
      await inEachShell(async (shell) => {
        const early = open(shell, 'bot', `bridge-listen ${TASK}`);
        await waitUntil(async () => (await names()).some((name) => name.startsWith('hear.')), 'it listens');
        const speaker = open(shell, 'home-pc', `bridge-say ${TASK}`);
        speaker.child.stdin.write('{"text":"one"}\n');
        await early.hears('\n{"text":"one"}\n');
        const late = open(shell, 'bot', `bridge-listen ${TASK}`);
        await late.hears('\n{"text":"one"}\n');
        speaker.child.stdin.end('{"end":true}\n');
        await early.hears('\n{"text":"one"}\n{"end":true}\n');
        await late.hears('\n{"text":"one"}\n{"end":true}\n');
        await waitUntil(() => speaker.child.exitCode === 0, 'it has said all');
        await Promise.all([early.end(), late.end()]);
        await sweepStreams(bridge.repoPath, Date.now());

        expect(await names(), shell[0]).toEqual([TASK]);
        expect((await stat(fileOf())).mode & 0o777).toBe(0o640);
      });
    },
  );

  test.skipIf(!isLinux)(
    'of a killed agent breaks off within a line, and who listens goes on in the next one',
    async () => {
      const listener = open(dash(), 'bot', `bridge-listen ${TASK}`);
      const first = open(dash(), 'home-pc', `bridge-say ${TASK}`);
      first.child.stdin.write('{"text":"one"}\n{"text":"tw');
      await listener.hears('\n{"text":"one"}\n{"text":"tw');
      const second = open(dash(), 'home-pc', `bridge-say ${TASK}`);
      second.child.stdin.write('{"text":"uno"}\n');
      await listener.hears('\n{"text":"one"}\n{"text":"tw\n{"text":"uno"}\n');
      // The first agent is still there, and its words go into the old file, which has no name any more.
      first.child.stdin.end('o"}\n');
      await once(first.child, 'close');
      second.child.stdin.end('{"end":true}\n');
      await listener.hears('\n{"text":"one"}\n{"text":"tw\n{"text":"uno"}\n{"end":true}\n');
      expect(await read()).toBe('\n{"text":"uno"}\n{"end":true}\n');
    },
  );

  test.skipIf(!isLinux)('of several tasks is heard in one session, each line with its task', async () => {
    const other = 'b2'.repeat(20);
    await inEachShell(async (shell) => {
      await writeFile(fileOf(), '\n{"text":"one"}\n');
      const demux = new StreamDemux([TASK, other]);
      const listener = open(shell, 'bot', `bridge-listen ${TASK} ${other}`);
      const said: unknown[] = [];
      listener.child.stdout.on('data', (text: string) => said.push(...demux.read(Buffer.from(text))));
      const one = { task: TASK, piece: { text: 'one' } };
      await waitUntil(() => said.length === 1, 'what is there already');
      const speaker = open(shell, 'home-pc', `bridge-say ${other}`);
      speaker.child.stdin.write('{"text":"uno"}\n{"text":"d');
      const uno = { task: other, piece: { text: 'uno' } };
      await waitUntil(() => listener.heard().endsWith('{"text":"d'), 'half a line');
      await appendFile(fileOf(), '{"text":"two"}\n');
      const two = { task: TASK, piece: { text: 'two' } };
      await waitUntil(() => said.length === 3, 'a line of another task, within that line');
      speaker.child.stdin.end('os"}\n');
      const dos = { task: other, piece: { text: 'dos' } };
      await waitUntil(() => said.length === 4, 'the rest of that line');
      await listener.end();
      expect(said, shell[0]).toEqual([one, uno, two, dos]);
    });
  });

  test('is told its task by its first line, where its session was opened before', async () => {
    await inEachShell(async (shell) => {
      for (const task of [TASK, 'b2'.repeat(32)]) {
        const speaker = open(shell, 'home-pc', 'bridge-say');
        speaker.child.stdin.write(`${task.slice(0, 7)}`);
        expect(await names()).not.toContain(task);
        speaker.child.stdin.write(`${task.slice(7)}\n{"text":"one"}\n`);
        await waitUntil(
          async () => (await read(task).catch(() => '')) === '\n{"text":"one"}\n',
          'its first words',
        );
        speaker.child.stdin.end('{"end":true}\n');
        await waitUntil(() => speaker.child.exitCode === 0, 'it has said all');
        expect(await read(task), shell[0]).toBe('\n{"text":"one"}\n{"end":true}\n');
      }
      await waitUntil(
        async () => (await names()).join() === [TASK, 'b2'.repeat(32)].join(),
        'both, and no mark',
      );
    });
  });

  test('is for ids of SHA-256 as well', async () => {
    const task = 'b2'.repeat(32);
    expect(await served(dash(), 'home-pc', `bridge-say ${task}`, 'x\n')).toMatchObject({ exitCode: 0 });
    expect(await read(task)).toBe('\nx\n');
  });
});

describe('nobody gets more than that', () => {
  const REFUSED = /^llm-bridge: [^;\n]+; try: [^\n]+\n$/;
  const commands: readonly (readonly [what: string, id: string])[] = [
    ['nothing', ''],
    ['a digit too few', TASK.slice(1)],
    ['a digit too many', `${TASK}a`],
    ['a digit too few for SHA-256', 'a'.repeat(63)],
    ['a digit too many for SHA-256', 'a'.repeat(65)],
    ['capitals', TASK.toUpperCase()],
    ['one capital', `A${TASK.slice(1)}`],
    ['another letter', `g${TASK.slice(1)}`],
    ['digits of another script', `٣${TASK.slice(1)}`],
    ['a pattern', '*'.repeat(40)],
    ['a pattern of one digit', `${TASK.slice(1)}?`],
    ['a set', `[0-9a-f]${TASK.slice(8)}`],
    ['the folder above', '../principals/home-pc'],
    ['forty characters that lead out', `../../config${'/'.repeat(28)}`],
    ['an absolute path', '/etc/passwd'],
    ['a file in another folder', `x/${TASK}`],
    ['a mark', 'say.1'],
    ['more tasks than may be', `${TASK} `.repeat(65).trimEnd()],
    ['two tasks and two blanks', `${TASK}  ${TASK}`],
    ['two tasks and a tab', `${TASK}\t${TASK}`],
    ['a task and a path', `${TASK} ../../config`],
    ['a task and an option', `${TASK} --pid=1`],
    ['two blanks', ` ${TASK}`],
    ['a blank behind', `${TASK} `],
    ['a tab behind', `${TASK}\t`],
    ['a line break behind', `${TASK}\n`],
    ['a line break and another task', `${TASK}\n${TASK}`],
    ['a carriage return', `${TASK}\r`],
    ['an option', `--help${TASK.slice(6)}`],
    ['a substitution', `$(touch ${TASK})`],
    ['a second command', `${TASK};id`],
    ['quotes', `'${TASK}'`],
    ['a hundred kilobytes', 'a'.repeat(100_000)],
  ];
  test.each(commands)('a task is its id and nothing else: %s', async (_what, id) => {
    await inEachShell(async (shell) => {
      for (const [who, command] of [
        ['home-pc', 'say'],
        ['bot', 'listen'],
      ] as const) {
        const result = await served(shell, who, `bridge-${command} ${id}`, 'x\n');
        expect(result, shell[0]).toMatchObject({ exitCode: 1, stdout: '' });
        expect(result.stderr).toMatch(/^llm-bridge: this key opens no shell.*; try: .*\n$/);
      }
      expect(await names()).toEqual([]);
    });
  });

  test.each([
    ['nothing', ''],
    ['an empty line', '\n{"text":"one"}\n'],
    ['a part of an id', `${TASK.slice(1)}\n{"text":"one"}\n`],
    ['an id and more', `${TASK}0\n{"text":"one"}\n`],
    ['63 digits', `${'b'.repeat(63)}\n`],
    ['65 digits', `${'b'.repeat(65)}\n`],
    ['upper case', `${TASK.toUpperCase()}\n`],
    ['a path', `${'../'.repeat(13)}x\n`],
    ['a blank in front', ` ${TASK}\n`],
    ['a carriage return', `${TASK}\r\n`],
    ['a line break within', `${TASK.slice(0, 20)}\n${TASK.slice(20)}\n`],
    ['a megabyte', 'a'.repeat(1_000_000)],
    ['a megabyte of NUL', '\0'.repeat(1_000_000)],
    ['what is no text', Buffer.from('ff'.repeat(200), 'hex')],
  ])('a first line that is no id opens no stream: %s', async (_what, input) => {
    await inEachShell(async (shell) => {
      const result = await served(shell, 'home-pc', 'bridge-say', input);
      expect(result, shell[0]).toMatchObject({ exitCode: 1, stdout: '' });
      expect(result.stderr).toMatch(/llm-bridge: this key opens no shell.*; try: .*\n$/);
      await waitUntil(async () => (await names()).length === 0, 'nothing stays');
    });
  });

  test('an asker is refused before its first line is read', async () => {
    const result = await served(dash(), 'bot', 'bridge-say', `${TASK}\nx\n`);
    expect(result).toMatchObject({ exitCode: 1, stdout: '' });
    expect(result.stderr).toContain('the key bot asks');
    expect(await names()).toEqual([]);
  });

  test('an asker says nothing, and an agent does not listen', async () => {
    await writeFile(fileOf(), '\n{"text":"one"}\n');
    for (const [who, command] of [
      ['bot', 'say'],
      ['home-pc', 'listen'],
    ] as const) {
      const result = await served(dash(), who, `bridge-${command} ${TASK}`, 'x\n');
      expect(result).toMatchObject({ exitCode: 1, stdout: '' });
      expect(result.stderr).toMatch(REFUSED);
      expect(result.stderr).toContain(`the key ${who} `);
    }
    expect(await names()).toEqual([TASK]);
    expect(await read()).toBe('\n{"text":"one"}\n');
  });

  test('a stream ends at bridge.maxStreamBytes', async () => {
    const at = { gitDir: bridge.repoPath, env: bridge.env };
    await gitOk(['config', 'bridge.maxStreamBytes', '8192'], at);
    onCleanup(async () => void (await gitOk(['config', '--unset', 'bridge.maxStreamBytes'], at)));
    await inEachShell(async (shell) => {
      const result = await served(shell, 'home-pc', `bridge-say ${TASK}`, 'x'.repeat(1_000_000));
      expect(result.exitCode, shell[0]).toBe(1);
      expect(result.stderr).toMatch(/llm-bridge: [^;\n]+; try: [^\n]+\n$/);
      expect((await stat(fileOf())).size).toBe(8192);
      expect(await names()).toEqual([TASK]);
    });
  });

  test('there are 256 streams at most, however many come at once, and each that is refused leaves nothing', async () => {
    // Room for three.
    const there = Array.from({ length: MAX_STREAMS - 3 }, (_one, at) => at.toString(16).padStart(40, '0'));
    await Promise.all(there.map((task) => writeFile(fileOf(task), '')));
    const taskOf = (at: number) => `f${at.toString(16).padStart(39, '0')}`;
    const sessions = Array.from({ length: 20 }, (_one, at) =>
      open(dash(), 'home-pc', `bridge-say ${taskOf(at)}`),
    );
    const isSettled = async () => {
      const marks = (await names()).filter((name) => name.startsWith('say.'));
      const left = sessions.filter(({ child }) => child.exitCode === null);
      return left.length === marks.length && left.length <= 3 && marks;
    };
    await waitUntil(isSettled, 'only as many stay as there is room for');
    const files = (await names()).filter((name) => /^[0-9a-f]{40}$/.test(name));
    expect(files.length).toBeLessThanOrEqual(MAX_STREAMS);
    await Promise.all(sessions.map(({ end }) => end()));
    expect((await names()).filter((name) => !/^[0-9a-f]{40}$/.test(name))).toEqual([]);
  });

  test('a full folder refuses the next one, quietly, and has room again once one is gone', async () => {
    const there = Array.from({ length: MAX_STREAMS }, (_one, at) => at.toString(16).padStart(40, '0'));
    await Promise.all(there.map((task) => writeFile(fileOf(task), '')));
    await inFullFolder(1, 'there are too many streams now');
    await rm(fileOf(there[0]));
    await inFullFolder(0, '');

    async function inFullFolder(exitCode: number, said: string): Promise<void> {
      for (const shell of shells) {
        const result = await served(shell, 'home-pc', `bridge-say ${TASK}`, 'x\n');
        expect(result.exitCode, `${shell[0]} ${result.stderr}`).toBe(exitCode);
        expect(result.stderr).toContain(said);
        expect((await names()).length).toBeLessThanOrEqual(MAX_STREAMS);
        await rm(fileOf(), { force: true });
      }
    }
  });

  test('where there is no place left, streams that were said to their end make room, and no others', async () => {
    const idOf = (at: number) => at.toString(16).padStart(40, '0');
    const texts = [
      '\n{"text":"a"}\n{"end":true}\n',
      '\n{"text":"a"}\n',
      '',
      '{"end":true}\n\n',
      '\n{"text":"{\\"end\\":true}"}\n',
    ];
    const secret = join(bridge.dir, 'ended');
    await writeFile(secret, texts[0] ?? '');
    await inEachShell(async (shell) => {
      await Promise.all(
        Array.from({ length: MAX_STREAMS - 1 }, (_one, at) =>
          writeFile(fileOf(idOf(at)), texts[at % 5] ?? ''),
        ),
      );
      await symlink(secret, fileOf('f'.repeat(40)));
      expect(await served(shell, 'home-pc', `bridge-say ${TASK}`, 'x\n')).toMatchObject({ exitCode: 0 });
      const left = await names();
      expect(left, shell[0]).toHaveLength(MAX_STREAMS + 1 - Math.ceil((MAX_STREAMS - 1) / 5));
      expect(left).not.toContain(idOf(0));
      for (const at of [1, 2, 3, 4]) expect(left).toContain(idOf(at));
      expect(await readFile(secret, 'utf8')).toBe(texts[0]);
    });
  });

  test('no more than 256 sessions listen, and the places of those that were killed are free again', async () => {
    // Of a process that is not there: the largest number is never given.
    const dead = Array.from({ length: MAX_STREAMS }, (_one, at) => join(folder, `hear.${2 ** 30 + at}`));
    const living = dead.map((_file, at) => join(folder, `hear.${process.pid}.${at}`));
    await Promise.all(living.map((file) => writeFile(file, '')));
    const result = await served(dash(), 'bot', `bridge-listen ${TASK}`);
    expect(result).toMatchObject({ exitCode: 1, stdout: '' });
    expect(result.stderr).toMatch(REFUSED);
    expect((await names()).length).toBe(MAX_STREAMS);

    await Promise.all(living.map((file, at) => rename(file, dead[at] ?? '')));
    await writeFile(fileOf(), 'x\n');
    const listener = open(dash(), 'bot', `bridge-listen ${TASK}`);
    await listener.hears('x\n');
    expect((await names()).length).toBe(2);
  });

  test('no more than 256 sessions wait for their task, and one that waited leaves nothing', async () => {
    const living = Array.from({ length: MAX_STREAMS }, (_one, at) =>
      join(folder, `ahead.${process.pid}.${at}`),
    );
    await Promise.all(living.map((file) => writeFile(file, '')));
    const refused = await served(dash(), 'home-pc', 'bridge-say', `${TASK}\nx\n`);
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused.stderr).toMatch(REFUSED);
    expect((await names()).length).toBe(MAX_STREAMS);
    await rm(living[0] ?? '');
    expect(await served(dash(), 'home-pc', 'bridge-say', `${TASK}\nx\n`)).toMatchObject({ exitCode: 0 });
    await waitUntil(
      async () => (await names()).length === MAX_STREAMS,
      'its mark goes, and its stream stays',
    );
    expect(await read()).toBe('\nx\n');
  });

  test('a link in the place of a stream leads nowhere, and one in the place of the folder neither', async () => {
    const secret = join(bridge.dir, 'secret');
    await inEachShell(async (shell) => {
      await writeFile(secret, 'mine\n');
      await symlink(secret, fileOf());
      expect(await served(shell, 'bot', `bridge-listen ${TASK}`)).toMatchObject({ stdout: '' });
      expect(await served(shell, 'home-pc', `bridge-say ${TASK}`, 'x\n')).toMatchObject({ exitCode: 0 });
      expect(await readFile(secret, 'utf8')).toBe('mine\n');
      expect(await read()).toBe('\nx\n');

      await rm(fileOf());
      await symlink(bridge.dir, fileOf());
      expect((await served(shell, 'home-pc', `bridge-say ${TASK}`, 'x\n')).stderr).toMatch(REFUSED);
      expect(await names()).toEqual([TASK]);

      await rm(folder, { recursive: true });
      await symlink(bridge.dir, folder);
      for (const [who, command] of [
        ['home-pc', 'say'],
        ['bot', 'listen'],
      ] as const)
        expect((await served(shell, who, `bridge-${command} ${TASK}`, 'x\n')).stderr).toMatch(REFUSED);
      await expect(access(join(bridge.dir, TASK))).rejects.toThrow();
      await rm(folder);
    });
  });

  test('a bridge whose init made no folder for streams says so, and goes without', async () => {
    await rm(folder, { recursive: true });
    for (const [who, command] of [
      ['home-pc', 'say'],
      ['bot', 'listen'],
    ] as const) {
      const result = await served(dash(), who, `bridge-${command} ${TASK}`, 'x\n');
      expect(result).toMatchObject({ exitCode: 1, stdout: '' });
      expect(result.stderr).toBe(
        'llm-bridge: this bridge has no folder for streams; try: llm-bridge init on the server\n',
      );
    }
  });

  test('doctor names a folder for streams that is missing, or is none, and what makes it', async () => {
    const findings = async () =>
      (await checkHooks(bridge.repoPath)).filter(({ text }) => text.includes('bridge/streams'));
    expect(await findings()).toEqual([]);
    await rm(folder, { recursive: true });
    const missing = await findings();
    expect(missing).toMatchObject([{ status: 'warning', remedy: `llm-bridge init ${bridge.repoPath}` }]);
    await symlink(bridge.dir, folder);
    expect(await findings()).toEqual(missing);
    await rm(folder);
  });

  test.skipIf(!isLinux || process.getuid?.() !== 0)(
    'a full disk ends a stream, and nothing else',
    async () => {
      const mounted = await runProcess('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], {
        env: process.env,
      });
      // In a container that may not mount anything.
      if (mounted.exitCode !== 0) return;
      onCleanup(async () => void (await runProcess('umount', ['-l', folder], { env: process.env })));
      const result = await served(dash(), 'home-pc', `bridge-say ${TASK}`, 'x'.repeat(1_000_000));
      expect(result.exitCode).toBe(1);
      expect((await stat(fileOf())).size).toBeLessThanOrEqual(65_536);
      expect(await names()).toEqual([TASK]);
      const next = await served(dash(), 'home-pc', `bridge-say ${'b'.repeat(40)}`, 'x\n');
      expect(next.exitCode).toBe(1);
      expect(next.stderr).toMatch(/llm-bridge: [^;\n]+; try: [^\n]+\n$/);
    },
  );
});

describe('what is old', () => {
  const old = async (name: string, minutes: number, text = ''): Promise<void> => {
    await writeFile(join(folder, name), text);
    const at = new Date(Date.now() - minutes * 60_000);
    await utimes(join(folder, name), at, at);
  };

  test('a push sweeps the streams that nobody has written to for ten minutes, an answer alone does not', async () => {
    const young = 'c'.repeat(40);
    await old(TASK, 11);
    await old('d'.repeat(64), 11);
    await old(young, 9);
    await old('a file of the owner', 1000);
    await mkdir(fileOf('e'.repeat(40)));
    await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), '2+2'));

    expect(await names()).toEqual(['a file of the owner', young, 'e'.repeat(40)]);
  });

  test('a sweep follows no link, and takes away the marks of those who are gone', async () => {
    const secret = join(bridge.dir, 'kept');
    await writeFile(secret, 'mine');
    await symlink(secret, fileOf());
    await old(`say.${2 ** 30}`, 0);
    await old(`new.${2 ** 30}.x`, 0);
    await old(`hear.${process.pid}`, 200);
    await old(`say.${process.pid}.y`, 100);
    await sweepStreams(bridge.repoPath, Date.now() + 11 * 60_000);

    expect(await names()).toEqual([`say.${process.pid}.y`]);
    expect(await readFile(secret, 'utf8')).toBe('mine');
    await rm(folder, { recursive: true });
    await sweepStreams(bridge.repoPath, Date.now());
  });
});
