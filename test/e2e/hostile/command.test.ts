import { beforeAll, describe, expect, test } from 'vitest';
import { sshOptionsFor } from '../../../src/demo/ssh-client.js';
import { type HostileBridge, startHostileBridge } from '../../support/hostile/hostile-bridge.js';
import { openRawClient, type RawResult } from '../../support/hostile/raw-client.js';
import { refused } from '../../support/hostile/refused-case.js';
import { rowsToTry } from '../../support/rows-to-try.js';
import { runProcess } from '../../support/run-process.js';

// SECURITY.md: P1, P2

/**
 * What a stolen key can make the server run: through the real ssh client, to the real sshd, into the forced
 * command.
 */
let bridge: HostileBridge;
let repo: string;

beforeAll(async () => {
  bridge = await startHostileBridge({ sshdConfig: ['AcceptEnv *', `Subsystem sftp internal-sftp`] });
  repo = bridge.fixture.repoPath;
});

async function run(command: string | null, sshArgs: readonly string[] = [], env = {}): Promise<RawResult> {
  const who = bridge.fixture.principal('home-pc');
  const client = openRawClient(bridge.fixture, who, command, { sshArgs, env });
  client.end();
  return client.closed;
}

const REFUSED = /llm-bridge: this key opens no shell and no other path.*try: ssh:\/\//;

describe('a command is refused', () => {
  const cases: readonly (readonly [what: string, command: () => string])[] = [
    ['a shell', () => 'sh'],
    ['a shell with a script', () => 'sh -c "id"'],
    ['id', () => 'id'],
    ['an empty one in quotes', () => '""'],
    ['a blank', () => ' '],
    ['scp, to the server', () => `scp -t ${repo}/hooks`],
    ['scp, from the server', () => 'scp -f /etc/passwd'],
    ['sftp-server', () => '/usr/lib/openssh/sftp-server'],
    ['rsync', () => `rsync --server -logDtpre.iLsfx . ${repo}/hooks`],
    ['git-upload-archive', () => `git-upload-archive '${repo}'`],
    ['git-shell', () => 'git-shell'],
    ['git-lfs-authenticate', () => `git-lfs-authenticate '${repo}' download`],
    ['another path', () => "git-upload-pack '/etc'"],
    ['the root', () => "git-upload-pack '/'"],
    ['the folder above', () => `git-upload-pack '${repo}/..'`],
    ['out and in again', () => `git-upload-pack '${repo}/../bridge.git'`],
    ['a slash behind', () => `git-upload-pack '${repo}/'`],
    ['two slashes', () => `git-upload-pack '/${repo}'`],
    ['a dot in the path', () => `git-upload-pack './bridge.git'`],
    ['a home folder', () => "git-upload-pack '~/bridge.git'"],
    ['--help', () => 'git-upload-pack --help'],
    ['an option in front', () => `git-upload-pack --timeout=1 '${repo}'`],
    ['an option behind', () => `git-upload-pack '${repo}' --strict`],
    ['-u', () => `git-receive-pack -u '${repo}'`],
    ['a word more', () => `git-receive-pack '${repo}' x`],
    ['no path', () => 'git-receive-pack'],
    ['a stream of no task', () => 'bridge-say'],
    ['a stream that leads out', () => `bridge-say ../../hooks/pre-receive`],
    ['a stream by its path', () => `bridge-say ${repo}/bridge/streams/${'a'.repeat(40)}`],
    ['a stream and a command', () => `bridge-say ${'a'.repeat(40)}; touch ${repo}/owned`],
    ['a stream and a line break', () => `bridge-listen ${'a'.repeat(40)}\ntouch ${repo}/owned`],
    ['git upload-pack in two words', () => `git upload-pack '${repo}'`],
    ['git-receive-pack by its path', () => `/usr/bin/git-receive-pack '${repo}'`],
    ['capitals', () => `GIT-UPLOAD-PACK '${repo}'`],
    ['two blanks', () => `git-upload-pack  '${repo}'`],
    ['a tab for a blank', () => `git-upload-pack\t'${repo}'`],
    ['a blank in front', () => ` git-upload-pack '${repo}'`],
    ['a blank behind', () => `git-upload-pack '${repo}' `],
    ['no quotes', () => `git-upload-pack ${repo}`],
    ['double quotes', () => `git-upload-pack "${repo}"`],
    ['half a quote', () => `git-upload-pack '${repo}`],
    ['quotes within', () => `git-upload-pack '${repo.slice(0, 5)}''${repo.slice(5)}'`],
    ['a semicolon', () => `git-upload-pack '${repo}'; id`],
    ['an ampersand', () => `git-upload-pack '${repo}' && id`],
    ['a pipe', () => `git-upload-pack '${repo}' | id`],
    ['a redirection', () => `git-upload-pack '${repo}' > ${repo}/HEAD`],
    ['a substitution', () => `git-upload-pack '$(id)'`],
    ['backticks', () => "git-upload-pack '`id`'"],
    ['a variable', () => "git-upload-pack '$HOME'"],
    ['a pattern', () => "git-upload-pack '/*'"],
    ['a line break and another command', () => `git-upload-pack '${repo}'\nid`],
    ['a line break in front', () => `\ngit-upload-pack '${repo}'`],
    ['a carriage return behind', () => `git-upload-pack '${repo}'\r`],
    ['letters that are not ASCII', () => `git-upload-pack '${repo}'\u00e9`],
    ['a dash that is not ASCII', () => `git\u2010upload\u2010pack '${repo}'`],
    ['an escape sequence', () => `\u001b[2Jgit-upload-pack '${repo}'`],
    ['a hundred kilobytes', () => `git-upload-pack '${'a'.repeat(100_000)}'`],
    ['a hundred kilobytes of quotes', () => "'".repeat(100_000)],
    ['bridge-wait with a word more', () => 'bridge-wait --help'],
    ['bridge-hello and more', () => 'bridge-hello; id'],
    ['bridge-hello by a path', () => './bridge-hello'],
    ['the forced command itself', () => `${repo}/bridge/ssh-command bot`],
    ['the gate itself', () => `${repo}/bridge/receive-pack ${repo}`],
    ['an assignment in front', () => `LLM_BRIDGE_PRINCIPAL=bot git-receive-pack '${repo}'`],
    ['env', () => `env -u LLM_BRIDGE_PRINCIPAL git-receive-pack '${repo}'`],
  ];
  // All of one kind: the words are judged one by one in test/integration/hooks/ssh-command.
  for (const [what, command] of rowsToTry(cases, (_row, at) => Math.floor(at / 5))) {
    test(what, async () => {
      await refused(
        bridge,
        'home-pc',
        async () => {
          const result = await run(command());
          expect(result.exitCode).toBe(1);
          expect(result.stdout.toString()).toBe('');
          // What was asked for is not repeated: a terminal would obey it.
          expect(result.stderr).not.toContain('\u001b');
          expect(result.stderr.length).toBeLessThan(500);
          return result.text;
        },
        REFUSED,
      );
    });
  }

  test('bytes that are no text', async () => {
    const options = sshOptionsFor(bridge.fixture.sshd, bridge.fixture.principal('home-pc').identityFile);
    const words = [...options, `${bridge.fixture.sshd.user}@127.0.0.1`];
    // Node would write the bytes as UTF-8, so a shell makes them.
    const script = 'exec ssh "$@" "$(printf "git-upload-pack \\377\\376")"';
    await refused(
      bridge,
      'home-pc',
      async () =>
        (
          await runProcess('sh', ['-c', script, 'sh', ...words], {
            env: bridge.fixture.principal('home-pc').env,
          })
        ).stderr,
      REFUSED,
    );
  });
});

describe('what is no command is refused', () => {
  type Case = readonly [what: string, args: readonly string[], told: RegExp, command?: string];
  const cases: readonly Case[] = [
    ['a login shell', [], REFUSED],
    ['a login shell on a terminal', ['-tt'], /PTY allocation request failed/],
    ['a terminal for a good command', ['-tt'], /PTY allocation request failed/, 'bridge-hello'],
    // The forced command runs and refuses; sshd drops what a subsystem says on standard error.
    ['the subsystem sftp', ['-s'], /^\s*$/, 'sftp'],
    ['a subsystem that is none', ['-s'], /subsystem request failed/, 'evil'],
    ['X11', ['-X', '-o', 'ForwardX11Timeout=0'], /"role":"agent"/, 'bridge-hello'],
    [
      'a port of the server',
      ['-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1'],
      /remote port forwarding failed/,
      'bridge-hello',
    ],
    [
      'a socket of the server',
      ['-o', 'ExitOnForwardFailure=yes', '-R', '/tmp/llm-bridge-no:127.0.0.1:1'],
      /remote port forwarding failed/,
      'bridge-hello',
    ],
    [
      'a tunnel',
      ['-w', '7:7', '-o', 'ExitOnForwardFailure=yes'],
      /[Tt]unnel|administratively prohibited/,
      'bridge-hello',
    ],
  ];
  for (const [what, args, told, command] of cases) {
    test(what, async () => {
      await refused(bridge, 'home-pc', async () => (await run(command ?? null, args)).text, told);
    });
  }

  test('a way through the server to somewhere else', async () => {
    const { sshd } = bridge.fixture;
    await refused(
      bridge,
      'home-pc',
      async () => (await run(null, ['-W', `127.0.0.1:${sshd.port}`])).text,
      /open failed: administratively prohibited|stdio forwarding failed/,
    );
  });

  test('the agent of the client', async () => {
    const marks = ['SSH_AUTH_SOCK', 'DISPLAY'];
    await refused(bridge, 'home-pc', async () => {
      const client = openRawClient(bridge.fixture, bridge.fixture.principal('home-pc'), 'bridge-wait', {
        sshArgs: ['-A', '-X'],
      });
      const { readFile } = await import('node:fs/promises');
      const { serverProcesses } = await import('../../support/hostile/server-state.js');
      const { waitUntil } = await import('../../support/wait-until.js');
      const tail = await waitUntil(
        async () => serverProcesses(repo, 'home-pc').find(({ command }) => command.startsWith('tail ')),
        'the doorbell runs',
      );
      const environment = (await readFile(`/proc/${tail.pid}/environ`, 'latin1')).split('\0');
      for (const mark of marks) expect(environment.some((word) => word.startsWith(mark))).toBe(false);
      client.kill();
      await client.closed;
      return '';
    });
  });
});

describe('nothing of the client\u2019s environment counts', () => {
  // This sshd accepts every variable, so that the forced command alone decides.
  const send = (name: string, value: string): [string[], Record<string, string>] => [
    ['-o', `SendEnv=${name}`],
    { [name]: value },
  ];
  const cases: readonly (readonly [string, string])[] = [
    ['LLM_BRIDGE_PRINCIPAL', 'bot'],
    ['GIT_DIR', '/etc'],
    ['GIT_CONFIG_PARAMETERS', "'core.hooksPath=/tmp'"],
    ['GIT_EXEC_PATH', '/tmp'],
    ['GIT_TRACE', '/tmp/llm-bridge-trace'],
    ['GIT_OBJECT_DIRECTORY', '/tmp'],
    ['NODE_OPTIONS', '--require=/tmp/evil.js'],
    ['PATH', '/tmp'],
    ['LD_PRELOAD', '/tmp/evil.so'],
    ['GIT_PROTOCOL', 'version=2'],
    ['GIT_PROTOCOL', 'version=1:evil'],
    ['GIT_ALLOC_LIMIT', '1'],
  ];
  for (const [name, value] of cases) {
    test(`${name}=${value}`, async () => {
      const [args, env] = send(name, value);
      await refused(
        bridge,
        'home-pc',
        async () => {
          // PATH also finds our own ssh; it is sent all the same.
          const clientEnv = name === 'PATH' ? { PATH: `${value}:${process.env.PATH ?? ''}` } : env;
          return (await run(`git-upload-pack '${repo}'`, args, clientEnv)).text;
        },
        new RegExp(`${bridge.tip} refs/heads/main`),
      );
    });
  }

  test('the name in bridge-hello is the key\u2019s', async () => {
    const [args, env] = send('LLM_BRIDGE_PRINCIPAL', 'bot');
    const result = await run('bridge-hello', args, env);
    expect(JSON.parse(result.stdout.toString())).toMatchObject({ name: 'home-pc', role: 'agent' });
  });
});
