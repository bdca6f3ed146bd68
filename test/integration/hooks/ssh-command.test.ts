import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { sshOptionsFor } from '../../../src/demo/ssh-client.js';
import { FEATURES, helloSchema } from '../../../src/protocol/hello.js';
import { commandLineOf } from '../../bench/process-usage.js';
import { startBridgeFixture } from '../../support/bridge-fixture.js';
import { findShells, type Shell } from '../../support/find-shells.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { nameVectorsSchema, readVectors } from '../../support/read-vectors.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

// SECURITY.md: P1, P2, P4, P21

/** What safety rests on is said to git itself, and not by the config alone. */
const PINS: Readonly<Record<string, readonly string[]>> = {
  'upload-pack': [
    ...['transfer.hideRefs=refs/bridge', 'uploadpack.hideRefs=refs', 'uploadpack.hideRefs=!refs/heads/main'],
    ...[
      'uploadpack.allowTipSHA1InWant=false',
      'uploadpack.allowReachableSHA1InWant=false',
      'uploadpack.allowAnySHA1InWant=false',
      'uploadpack.allowRefInWant=false',
      'uploadpackfilter.allow=false',
      'uploadpackfilter.blob:limit.allow=true',
    ],
  ],
  'receive-pack': [
    ...[
      'core.hooksPath=hooks',
      'core.fsync=all',
      'core.logAllRefUpdates=true',
      'transfer.hideRefs=refs/bridge',
    ],
    ...['receive.fsckObjects=true', 'receive.denyNonFastForwards=true', 'receive.denyDeletes=true'],
    ...['receive.unpackLimit=4', 'core.bigFileThreshold=16777216', 'receive.maxInputSize=33554432'],
    ...['receive.hideRefs=refs', 'receive.hideRefs=!refs/heads/main', 'receive.shallowUpdate=false'],
    ...['core.sharedRepository=0640', 'transfer.unpackLimit=4', 'receive.advertisePushOptions=false'],
  ],
};

/** What `init` has written into the bridge's config of all that this program of git reads. */
async function setByInit(program: string): Promise<string[]> {
  const listed = await gitOk(['config', '--local', '--name-only', '--list'], {
    gitDir: repo,
    env: bridge.env,
  });
  const own = program === 'upload-pack' ? 'uploadpack|uploadpackfilter' : 'receive';
  const section = new RegExp(`^(?:core|transfer|pack|${own})\\.`);
  // These say what the folder is, by git itself; the threshold follows the limits that an owner may change.
  const git = /^core\.(?:repositoryformatversion|filemode|bare|bigfilethreshold)$/;
  return listed.split('\n').filter((name) => section.test(name) && !git.test(name));
}

/**
 * A git that tells how it was called where the forced command hands over to it, and is the real one
 * otherwise.
 */
const TELLING_GIT = `#!/bin/sh
for word; do
  case $word in
    upload-pack | receive-pack) ulimit -S -d >"$HOME/data-limit"; printf 'args:'; printf ' %s' "$@"; echo; env | sort; exit ;;
    config) break ;;
  esac
done
PATH=\${PATH#*:} exec git "$@"
`;

let bridge: PlainBridge;
/** Comes first in the PATH of the bridge. */
let bin: string;
let repo: string;
let shells: readonly Shell[] = [];

beforeAll(async () => {
  bin = join(await tempDir(), 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'git'), TELLING_GIT);
  await chmod(join(bin, 'git'), 0o755);
  bridge = await startPlainBridge({
    principals: { 'home-pc': 'agent', bot: 'asker', odd: 'admin' },
    env: { PATH: `${bin}${delimiter}${process.env.PATH}` },
  });
  repo = bridge.repoPath;
  shells = await findShells();
});

/** What runs where a client with the key `name` asks for `command`. */
function served(
  [shell, args]: Shell,
  command: string | undefined,
  options: {
    readonly words?: readonly string[];
    readonly env?: Record<string, string>;
    readonly input?: string;
    readonly timeoutMs?: number;
  } = {},
): Promise<RunResult> {
  const { words = ['home-pc'], env = {}, input, timeoutMs } = options;
  return runProcess(shell, [...args, join(repo, 'bridge', 'ssh-command'), ...words], {
    env: {
      HOME: bridge.dir,
      // As bare as sshd makes it, and bad besides.
      PATH: '/nowhere',
      ...(command === undefined ? {} : { SSH_ORIGINAL_COMMAND: command }),
      ...env,
    },
    cwd: '/',
    input,
    timeoutMs,
    ownSession: true,
  });
}

async function inEachShell(look: (shell: Shell) => Promise<void>): Promise<void> {
  expect(shells.map(([file]) => file.split('/').at(-1))).toEqual(expect.arrayContaining(['dash', 'busybox']));
  for (const shell of shells) await look(shell);
}

test('shellcheck has nothing to say of any hook', async () => {
  const folder = fileURLToPath(new URL('../../../hooks/', import.meta.url));
  const templates = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile());
  const installed = [
    join(repo, 'bridge/ssh-command'),
    join(repo, 'hooks/pre-receive'),
    join(repo, 'hooks/post-receive'),
  ];
  const files = [...templates.map(({ name }) => join(folder, name)), ...installed];

  // With -x, the parts of ssh-command are read where it names them.
  expect(await runProcess('shellcheck', ['-x', ...files], { env: bridge.env })).toEqual({
    exitCode: 0,
    stdout: '',
    stderr: '',
  });
});

describe('what is served', () => {
  test.each([
    ['git-upload-pack by path', () => `git-upload-pack '${repo}'`, 'upload-pack --strict --timeout=120'],
    ['git-upload-pack by name', () => "git-upload-pack 'bridge.git'", 'upload-pack --strict --timeout=120'],
    ['git-receive-pack by path', () => `git-receive-pack '${repo}'`, 'receive-pack'],
    ['git-receive-pack by name', () => "git-receive-pack 'bridge.git'", 'receive-pack'],
  ])('%s, with nothing of the environment of the client', async (_what, command, program) => {
    await inEachShell(async (shell) => {
      const env = {
        GIT_DIR: '/etc',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'core.hooksPath',
        GIT_CONFIG_VALUE_0: '/nowhere',
        LD_PRELOAD_NOT: 'x',
        NODE_OPTIONS: '--require=/nowhere',
        LLM_BRIDGE_PRINCIPAL: 'bot',
        LC_EVIL: 'x',
      };

      const result = await served(shell, command(), { env });

      expect(result.stderr).toBe('');
      const [args, ...rest] = result.stdout.trim().split('\n');
      expect(args).toMatch(new RegExp(`^args: (?:-c \\S+=\\S+ )+${program} ${repo}$`));
      const pins = [...(args ?? '').matchAll(/-c (\S+)/g)].map(([, pin]) => pin);
      expect(pins).toEqual(expect.arrayContaining([...(PINS[program.split(' ')[0] ?? ''] ?? [])]));
      const pinned = pins.map((pin) => pin?.replace(/=.*/, '').toLowerCase());
      const open = (await setByInit(program.split(' ')[0] ?? '')).filter((name) => !pinned.includes(name));
      expect(open).toEqual([]);
      const names = rest
        .map((line) => line.split('=')[0])
        .filter((name) => !/^(PWD|OLDPWD|SHLVL|_)$/.test(name ?? ''));
      expect(names).toEqual([
        // What a push may take of memory at a time; a fetch has no need of it.
        ...(program === 'receive-pack' ? ['GIT_ALLOC_LIMIT'] : []),
        'GIT_CONFIG_GLOBAL',
        'GIT_CONFIG_NOSYSTEM',
        'GIT_PROTOCOL',
        'HOME',
        'LC_ALL',
        'LLM_BRIDGE_PRINCIPAL',
        'LLM_BRIDGE_SESSION',
        // Says to the hooks of a push whether a process stands by for them.
        ...(program === 'receive-pack' ? ['LLM_BRIDGE_SETTINGS', 'LLM_BRIDGE_STANDBY'] : []),
        'PATH',
        // The settings, a line each.
        ...(program === 'receive-pack'
          ? ['bridge.claimlease 60s', 'bridge.maxanswerbytes 8388608', 'bridge.maxtaskbytes 8388608']
          : []),
        ...(program === 'receive-pack' ? ['bridge.receivetimeout 300', 'bridge.taskttl 7d'] : []),
      ]);
      expect(rest).toContain('LLM_BRIDGE_PRINCIPAL=home-pc');
      expect(rest).toContain('GIT_CONFIG_GLOBAL=/dev/null');
      expect(rest).toContain('GIT_PROTOCOL=version=0');
    });
  });

  test.each([
    ['version=0', 'version=0'],
    ['version=1', 'version=1'],
    // Version 2 serves any object by its id; test/e2e/hostile/fetch.test.ts shows it.
    ['version=2', 'version=0'],
    ['version=3', 'version=0'],
    ['version=2:evil', 'version=0'],
    ['version=2\nX=1', 'version=0'],
    ['', 'version=0'],
  ])('GIT_PROTOCOL %j becomes %s', async (given, becomes) => {
    await inEachShell(async (shell) => {
      const { stdout } = await served(shell, `git-upload-pack '${repo}'`, { env: { GIT_PROTOCOL: given } });

      expect(stdout.split('\n').filter((line) => line.startsWith('GIT_PROTOCOL='))).toEqual([
        `GIT_PROTOCOL=${becomes}`,
      ]);
    });
  });
});

test.skipIf(process.platform !== 'linux')(
  'a push has limits of memory and processor time, and so has the hook that judges it',
  async () => {
    for (const shell of shells.filter(([file]) => /\/(?:dash|bash)$/.test(file))) {
      await served(shell, `git-receive-pack '${repo}'`);
      // KiB; more where larger messages are allowed.
      expect(await readFile(join(bridge.dir, 'data-limit'), 'utf8')).toBe('1310720\n');
    }
    // The hook by itself, where no process stands by: it tells its limits in the place of node.
    const node = join(bridge.dir, 'telling-node');
    await writeFile(node, '#!/bin/sh\necho "$(ulimit -S -t) $(ulimit -S -d) $(ulimit -S -v)"\n', {
      mode: 0o755,
    });
    const stub = await readFile(join(repo, 'hooks/pre-receive'), 'utf8');
    const told = stub.replace(/^node=.*$/m, `node='${node}'`);
    const limited = `ulimit -S -t 3; ulimit -S -d 1310720; ulimit -S -v 4000000; ${told}`;
    const { stdout } = await runProcess('dash', ['-c', limited], { env: bridge.env });
    // Seconds; the limits of git are raised, that of the data stays.
    expect(stdout).toMatch(/^120 1310720 (?!4000000\n)/);
  },
);

test.skipIf(process.platform !== 'linux')(
  'a push hangs up on nobody of its process group, also where one of them is stopped',
  async () => {
    // An end behind that of the shell that started it: its parent has become another program by then, or it
    // has none any more. Parents that are gone are number 1.
    const lateRm = `#!/bin/sh
while read -r _ _ _ parent _ </proc/$$/stat && [ "$parent" -ne 1 ] && read -r name </proc/"$parent"/comm; do
  case $name in dash | env) ;; *) break ;; esac
done
exec /bin/rm "$@"
`;
    const slowRm = join(bin, 'rm');
    await writeFile(slowRm, lateRm, { mode: 0o755 });
    onCleanup(() => unlink(slowRm));
    const group = `trap 'echo hung up' HUP; sleep 1000 & kill -STOP $!; "$@"; kill -KILL $!`;
    const words = ['-c', group, 'dash', 'dash', join(repo, 'bridge/ssh-command'), 'home-pc'];
    const child = spawn('dash', words, {
      env: { ...bridge.env, SSH_ORIGINAL_COMMAND: `git-receive-pack '${repo}'` },
      // A session of its own, as sshd makes it.
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const said = await text(child.stdout);

    expect(said).not.toContain('hung up');
    expect(said).toMatch(/^args: .*receive-pack /m);
  },
);

test.skipIf(process.platform !== 'linux')(
  'what a killed git has left is cleared away before git sees the push',
  async () => {
    const lock = join(repo, 'refs/heads/main.lock');
    await inEachShell(async (shell) => {
      await writeFile(lock, '');
      const { stdout } = await served(shell, `git-receive-pack '${repo}'`);

      expect(stdout, shell[0]).toMatch(/^args: .*receive-pack /);
      await expect(access(lock), shell[0]).rejects.toThrow();
    });
  },
);

describe('what is refused', () => {
  const cases: readonly (readonly [string, () => string | undefined])[] = [
    ['no command, which would be a shell', () => undefined],
    ['an empty command', () => ''],
    ['a shell', () => 'sh'],
    ['scp', () => `scp -t ${repo}`],
    ['sftp', () => '/usr/lib/openssh/sftp-server'],
    ['rsync', () => `rsync --server . ${repo}`],
    ['git-upload-archive', () => `git-upload-archive '${repo}'`],
    ['another path', () => "git-upload-pack '/etc'"],
    ['a path beneath', () => `git-upload-pack '${repo}/hooks'`],
    ['a path with ..', () => `git-upload-pack '${repo}/../bridge.git'`],
    ['a slash behind', () => `git-upload-pack '${repo}/'`],
    ['an option', () => "git-upload-pack '--help'"],
    ['an option in front', () => `git-upload-pack --strict '${repo}'`],
    ['a word too many', () => `git-upload-pack '${repo}' '${repo}'`],
    ['the two words of git', () => `git upload-pack '${repo}'`],
    ['no quotes', () => `git-upload-pack ${repo}`],
    ['double quotes', () => `git-upload-pack "${repo}"`],
    ['a quote too many', () => `git-upload-pack '${repo}''`],
    ['a second command', () => `git-upload-pack '${repo}'; touch ${repo}/owned`],
    ['a substitution', () => `git-upload-pack '$(touch ${repo}/owned)'`],
    ['backticks', () => `bridge-hello\`touch ${repo}/owned\``],
    ['a line break behind', () => 'bridge-hello\n'],
    ['a line break and a command', () => `bridge-hello\ntouch ${repo}/owned`],
    ['a carriage return', () => 'bridge-hello\r'],
    ['a blank behind', () => 'bridge-wait '],
    ['a stream of no task', () => 'bridge-say'],
    ['a fetch of a commit in the command', () => `bridge-fetch ${'a'.repeat(40)}`],
    ['a push of nothing', () => 'bridge-push now'],
    ['a task that leads out', () => 'bridge-listen ../principals/home-pc'],
    ['a window of no numbers', () => 'bridge-window'],
    ['a window of one number', () => 'bridge-window 1'],
    ['a window of three numbers', () => 'bridge-window 1 2 3'],
    ['a window with a wide gap', () => 'bridge-window 1  2'],
    ['a window of a number that is too long', () => 'bridge-window 10000 1'],
    ['a window of a negative number', () => 'bridge-window 1 -1'],
    ['a window of an option', () => 'bridge-window --eval 1'],
    ['a window and a command', () => `bridge-window 1 1; touch ${repo}/owned`],
    ['a pattern', () => 'bridge-*'],
    ['a pattern of a path', () => "git-upload-pack '*'"],
    ['other letters', () => 'bridge-hellо'],
    ['a hundred kilobytes', () => `git-upload-pack '${'a'.repeat(100_000)}'`],
  ];
  test.each(cases)('%s', async (_what, command) => {
    await inEachShell(async (shell) => {
      const result = await served(shell, command());

      expect(result).toMatchObject({ exitCode: 1, stdout: '' });
      expect(result.stderr).toMatch(/^llm-bridge: this key opens no shell.*; try: .*\n$/);
    });
    await expect(access(join(repo, 'owned'))).rejects.toThrow();
  });

  test.each([
    ['no name', []],
    ['an empty name', ['']],
    ['a name with a slash', ['../principals/home-pc']],
    ['a name that starts with a dot', ['.hidden']],
    ['a name with a blank', ['home pc']],
    ['a name with a line break', ['home-pc\n']],
    ['a name in other letters', ['hоme-pc']],
    ['two names', ['home-pc', 'bot']],
    ['a word too many', ['home-pc', 'SHA256:x', 'bot']],
    ['an unknown name', ['stranger']],
    ['a name with an unknown role', ['odd']],
  ])('a forced command with %s', async (_what, words) => {
    await inEachShell(async (shell) => {
      for (const command of ['bridge-hello', `git-receive-pack '${repo}'`]) {
        const result = await served(shell, command, { words });
        expect(result).toMatchObject({ exitCode: 1, stdout: '' });
        expect(result.stderr).toMatch(/^llm-bridge: .*; try: .*\n$/);
      }
    });
  });

  test('a name that is none, though there is a role for it, and no other of the vectors', async () => {
    const vectors = await readVectors('names', nameVectorsSchema);
    // With a role of its own, each name is as good as any but for what it is. No file can have a NUL in its.
    const names = vectors.cases.filter(({ name }) => /^[^/\0]+$/.test(name));
    expect(names.length).toBeGreaterThan(25);
    const file = (name: string) => join(repo, 'bridge/principals', name);
    for (const { name } of names) await writeFile(file(name), 'asker\n');
    const [shell = ['sh', []]] = shells;
    for (const { name, ok } of names) {
      const { stdout, stderr } = await served(shell, 'bridge-hello', { words: [name] });
      expect(stdout.startsWith(`{"name":"${name}",`), `${JSON.stringify(name)} ${stderr}`).toBe(ok);
    }
    for (const { name } of names.filter(({ name: one }) => one !== 'home-pc' && one !== 'bot'))
      await rm(file(name));
    await inEachShell(async (one) => {
      for (const name of ['dot.', 'a..b', 'x.lock'])
        expect((await served(one, 'bridge-hello', { words: [name] })).stderr).toBe(
          `llm-bridge: the name ${name} is none that git takes; try: llm-bridge key remove ${name} on the server, and key add by another\n`,
        );
    });
  });

  test('the fingerprint of another key than the name has now, for sshd keeps to the line that let a connection in', async () => {
    await writeFile(join(repo, 'bridge/principals/again'), 'asker SHA256:new+/x\n');
    await inEachShell(async (shell) => {
      const known = await served(shell, 'bridge-hello', { words: ['again', 'SHA256:new+/x'] });
      expect(known).toMatchObject({ exitCode: 0, stderr: '' });
      for (const print of ['SHA256:old', '', '*', 'SHA256:new+/x y']) {
        const gone = await served(shell, 'bridge-hello', { words: ['again', print] });
        expect(gone).toMatchObject({ exitCode: 1, stdout: '' });
        expect(gone.stderr).toContain('the key again is not known here, or was removed');
      }
    });
    await rm(join(repo, 'bridge/principals/again'));
  });

  test('a name that was removed, from then on', async () => {
    await writeFile(join(repo, 'bridge/principals/gone'), 'asker\n');
    await inEachShell(async (shell) => {
      expect((await served(shell, 'bridge-hello', { words: ['gone'] })).exitCode).toBe(0);
    });
    await rm(join(repo, 'bridge/principals/gone'));
    await inEachShell(async (shell) => {
      expect((await served(shell, 'bridge-hello', { words: ['gone'] })).stderr).toContain('was removed');
    });
  });
});

describe('bridge-hello', () => {
  const hello = async (shell: Shell, name = 'home-pc') => {
    const { stdout, stderr } = await served(shell, 'bridge-hello', { words: [name] });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^[^\n]+\n$/);
    return helloSchema.parse(JSON.parse(stdout));
  };

  test('says who the key is, what is spoken, the time and the limits', async () => {
    await inEachShell(async (shell) => {
      const said = await hello(shell, 'bot');

      const limits = { task_ttl: '7d', max_task_bytes: 8_388_608, max_answer_bytes: 8_388_608 };
      expect(said).toMatchObject({ name: 'bot', role: 'asker', protocol: 2, features: FEATURES, ...limits });
      expect(said.time).toMatch(/\.\d{3}Z$/);
      expect(Math.abs(Date.parse(said.time) - Date.now())).toBeLessThan(30_000);
    });
  });

  test('tells the time in milliseconds, because a time of whole seconds is before what was dated by it', async () => {
    const [shell] = shells;
    if (shell === undefined) throw new Error('there is no shell');
    const times: string[] = [];
    // That all four are of the first millisecond of a second is no chance.
    for (let round = 0; round < 4; round++) times.push((await hello(shell)).time);
    expect(times.filter((time) => !time.endsWith('.000Z'))).not.toEqual([]);
  });

  const HEAD = 'Filesystem 1024-blocks Used Available Capacity Mounted on';
  test.each([
    ['16 MiB are free', `${HEAD}\n/dev/sda1 900000 1 16384 99% /srv`, undefined],
    ['less is free', `${HEAD}\n/dev/sda1 900000 1 16383 100% /srv`, false],
    ['nothing is free', `${HEAD}\n/dev/sda1 900000 900000 0 100% /srv`, false],
    ['what is kept for root is in use', `${HEAD}\n/dev/sda1 900000 900000 -120 105% /srv`, false],
    ['the names have blanks', `${HEAD}\n//nas/my share 900000 1 16383 100% /srv/my 5 disks`, false],
    ['the file system counts nothing', `${HEAD}\nnone 0 0 0 - /srv`, undefined],
    ['the number has no end', `${HEAD}\n/dev/sda1 9 1 ${'9'.repeat(30)} 1% /srv`, undefined],
    ['df knows no such option', 'Usage: df [PATH]', undefined],
    ['df says nothing', '', undefined],
  ])('says whether a push can be written: %s', async (_what, said, writable) => {
    const df = join(bin, 'df');
    onTestFinished(() => rm(df));
    await writeFile(df, `#!/bin/sh\ncat <<'END'\n${said}\nEND\n`);
    await chmod(df, 0o755);
    await inEachShell(async (shell) => expect((await hello(shell)).writable).toBe(writable));
  });

  test.skipIf(process.getuid?.() === 0)('says that nobody may write to the bridge', async () => {
    const objects = join(repo, 'objects');
    onTestFinished(() => chmod(objects, 0o700));
    await chmod(objects, 0o500);
    await inEachShell(async (shell) => expect((await hello(shell)).writable).toBe(false));
  });

  const numbers = ['0', '007', '', '-1', '1.5', '9'.repeat(30), '1e6', 'x"},{"a":"', '5\n6', '$(id)'];
  test.each(numbers)('is valid with a limit of %j', async (value) => {
    const at = { gitDir: repo, env: bridge.env };
    for (const key of ['maxTaskBytes', 'maxAnswerBytes', 'taskTtl']) {
      await gitOk(['config', `bridge.${key}`, value], at);
    }
    await inEachShell(async (shell) => {
      expect(await hello(shell)).toMatchObject({ max_task_bytes: 8_388_608, max_answer_bytes: 8_388_608 });
    });
    for (const key of ['maxTaskBytes', 'maxAnswerBytes'])
      await gitOk(['config', `bridge.${key}`, '5000'], at);
    await gitOk(['config', 'bridge.taskTtl', '7d'], at);
    await inEachShell(async (shell) => {
      expect(await hello(shell)).toMatchObject({
        max_task_bytes: 5000,
        max_answer_bytes: 5000,
        task_ttl: '7d',
      });
    });
  });
});

describe('with a config that a power cut has damaged', () => {
  const LOST =
    /^llm-bridge: the config of this bridge is empty or damaged, .*; try: llm-bridge doctor on the server\n$/;
  const upload = () => `git-upload-pack '${repo}'`;
  const task = 'a'.repeat(40);
  const commands: readonly (readonly [command: () => string, key: string, input?: string])[] = [
    [() => 'bridge-hello', 'home-pc'],
    [() => 'bridge-wait', 'home-pc'],
    [upload, 'home-pc'],
    [() => `git-receive-pack '${repo}'`, 'home-pc'],
    [() => 'bridge-fetch', 'home-pc', `${task}\n`],
    [() => 'bridge-push', 'home-pc', 'push\n'],
    [() => `bridge-say ${task}`, 'says'],
    [() => 'bridge-say', 'says', `${task}\n`],
    [() => `bridge-listen ${task}`, 'hears'],
  ];
  const damages: readonly (readonly [string, (text: string) => string | Uint8Array])[] = [
    ['an empty one', () => ''],
    ['one of zeros', (text) => Buffer.alloc(text.length)],
    ['half of one', (text) => text.slice(0, text.indexOf('[bridge]') + 8)],
    [
      'one with a version of something else',
      () => '[core]\n\tversion = 1\n[bridge]\n[other]\n\tversion = 1\n',
    ],
  ];
  test.each(damages)('nothing is served: %s', async (_what, damage) => {
    const config = join(repo, 'config');
    const text = await readFile(config, 'utf8');
    onCleanup(() => writeFile(config, text));
    await writeFile(join(repo, 'bridge/principals/hears'), 'asker SHA256:x\n');
    await writeFile(join(repo, 'bridge/principals/says'), 'agent SHA256:x\n');
    await writeFile(config, damage(text));
    await inEachShell(async (shell) => {
      for (const [command, key, input] of commands) {
        const { exitCode, stdout, stderr } = await served(shell, command(), {
          words: [key],
          // What waits or listens would never end.
          timeoutMs: 20_000,
          ...(input === undefined ? {} : { input }),
        });
        expect({ exitCode, stdout }, `${shell[0]} ${command()}`).toEqual({ exitCode: 1, stdout: '' });
        expect(stderr).toMatch(LOST);
      }
    });
  });

  test('one that git cannot read serves nobody either, and one that a person wrote otherwise serves as ever', async () => {
    const config = join(repo, 'config');
    const text = await readFile(config, 'utf8');
    onCleanup(() => writeFile(config, text));
    await writeFile(config, `${text}\n[bridge\n`);
    await inEachShell(async (shell) => {
      expect((await served(shell, 'bridge-hello')).stderr).toMatch(LOST);
    });
    await writeFile(config, text.replace('\tversion = ', ' Version='));
    await inEachShell(async (shell) => {
      expect((await served(shell, upload())).stdout, shell[0]).toContain('upload-pack');
    });
  });
});

test('a session that waits in vain for its push leaves no file behind, where no process can stand by for it', async () => {
  const program = join(repo, 'bridge', 'ssh-command');
  const text = await readFile(program, 'utf8');
  onCleanup(() => writeFile(program, text));
  await writeFile(program, text.replace(/^ {2}node=.*$/m, '  node=/nowhere/node'));
  await inEachShell(async (shell) => {
    const { exitCode, stderr } = await served(shell, 'bridge-push', { input: '' });
    expect({ exitCode, stderr }, shell[0]).toEqual({ exitCode: 0, stderr: '' });
    const names = await readdir(join(repo, 'bridge'));
    expect(names.filter((name) => name.startsWith('standby.') && name !== 'standby.code')).toEqual([]);
  });
});

test('bridge-wait rings when main moves', async () => {
  const [shell, args] = shells[0] ?? ['sh', []];
  const child = spawn(shell, [...args, join(repo, 'bridge', 'ssh-command'), 'home-pc'], {
    env: { SSH_ORIGINAL_COMMAND: 'bridge-wait', PATH: '/nowhere' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  onCleanup(() => void child.kill('SIGKILL'));
  const lines = createInterface(child.stdout);
  const [first] = (await once(lines, 'line')) as [string];
  expect(first).toContain('llm-bridge init');

  for (const prompt of ['one', 'two']) {
    const rung = once(lines, 'line') as Promise<[string]>;
    const env = { ...bridge.env, PATH: process.env.PATH ?? '' };
    const id = await bridge.writer.ask(await bridge.tip(), prompt);
    await gitOk(['push', repo, `${id}:refs/heads/main`], { gitDir: bridge.cloneDir, env });
    expect((await rung)[0]).toContain(id);
  }
});

test('the pipes of a session that was killed before it had taken their names away go with the next push, those of one that lives stay', async () => {
  const named = async () =>
    (await readdir(join(repo, 'bridge'))).filter((name) => /^standby\.[0-9]+\./.test(name));
  const deadly = join(bin, 'mkfifo');
  onCleanup(() => rm(deadly, { force: true }));
  await writeFile(deadly, `#!/bin/sh\nPATH=\${PATH#*:} mkfifo "$@"\nkill -KILL "$PPID"\n`);
  await chmod(deadly, 0o755);
  await inEachShell(async (shell) => {
    await served(shell, `git-receive-pack '${repo}'`);
    const left = await named();
    expect(left.map((name) => name.replace(/[0-9]+/, 'PID')).sort(), shell[0]).toEqual(
      ['in', 'out', 'pack'].map((end) => `standby.PID.${end}`),
    );
    const ours = join(repo, 'bridge', `standby.${process.pid}.in`);
    await writeFile(ours, '');
    await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), `after ${shell[0]} ${left}`));
    expect(await named(), shell[0]).toEqual([`standby.${process.pid}.in`]);
    await rm(ours);
  });
});

test.skipIf(process.platform !== 'linux')(
  'a bridge-wait ends when its client has gone without a word',
  async () => {
    const fixture = await startBridgeFixture();
    const { identityFile } = fixture.principal('home-pc');
    const target = `${fixture.sshd.user}@127.0.0.1`;
    const child = spawn('ssh', [...sshOptionsFor(fixture.sshd, identityFile), target, 'bridge-wait'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    await once(child.stdout, 'data');
    await waitUntil(async () => (await waiting(fixture.repoPath)).length === 1, 'tail starts');

    child.kill('SIGKILL');

    await waitUntil(async () => (await waiting(fixture.repoPath)).length === 0, 'tail ends');
  },
);

/** The processes that wait at the doorbell of a bridge. */
async function waiting(repoPath: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => commandLineOf(Number(pid))));
  return lines.filter((line) => line.startsWith('tail\0') && line.includes(`${repoPath}/logs/HEAD`));
}
