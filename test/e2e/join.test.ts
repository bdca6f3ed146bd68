import { appendFile, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { fingerprint, parsePublicKey } from '../../src/admin/public-key.js';
import { profilesFile, saveProfile } from '../../src/bridge/profiles.js';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { shellQuote } from '../../src/process/shell-quote.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { cleanEnv } from '../support/clean-env.js';
import { runCli, startCli } from '../support/cli.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startOnTerminal } from '../support/on-terminal.js';
import { programUnderTest } from '../support/program-under-test.js';
import { runProcess } from '../support/run-process.js';
import { tempDir } from '../support/temp-dir.js';
import { waitUntil } from '../support/wait-until.js';

// What a person does on two machines, with the built program, a real sshd and keys of its own.

let bridge: BridgeFixture;
let modelServer: string;
/** The environment of the owner of the bridge, who has `llm-bridge` on the PATH. */
let ownerEnv: Record<string, string>;

beforeAll(async () => {
  bridge = await startBridgeFixture({ principals: [] });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  modelServer = standIn.ollamaUrl;
  const bin = join(bridge.dir, 'bin');
  await mkdir(bin);
  const program = join(bin, 'llm-bridge');
  await writeFile(program, `#!/bin/sh\nexec ${programUnderTest().map(shellQuote).join(' ')} "$@"\n`);
  await chmod(program, 0o755);
  ownerEnv = {
    ...bridge.ownerEnv,
    PATH: [bin, bridge.ownerEnv.PATH].join(delimiter),
    LLM_BRIDGE_AUTHORIZED_KEYS: bridge.authorizedKeysFile,
  };
});

/** A machine that has never seen the server: its ssh reads nothing of the user who runs this test. */
async function machine() {
  const home = await tempDir();
  const knownHosts = join(home, 'known_hosts');
  const config = [
    `UserKnownHostsFile ${knownHosts}`,
    'GlobalKnownHostsFile /dev/null',
    'IdentityAgent none',
    'IdentityFile none',
  ];
  await writeFile(join(home, 'ssh_config'), `${config.join('\n')}\n`);
  const env = cleanEnv(home, {
    GIT_SSH_COMMAND: `ssh -F ${join(home, 'ssh_config')}`,
    OLLAMA_HOST: modelServer,
  });
  return { home, knownHosts, env };
}

/** The line that is to be pasted on the server. */
function lineIn(stdout: string): string {
  return /^ {2}(llm-bridge key add .*)$/m.exec(stdout)?.[1] ?? '';
}

const paste = (line: string) => runProcess('sh', ['-c', line], { env: ownerEnv });

async function hostFingerprint(): Promise<string> {
  const text = await readFile(join(bridge.dir, 'sshd', 'host_key.pub'), 'utf8');
  const key = parsePublicKey(text);
  return key === null ? 'none' : fingerprint(key);
}

test('a server that is not known is not trusted where nobody can be asked, and its key is told', async () => {
  const { env, knownHosts, home } = await machine();

  const result = await runCli(['join', bridge.sshUrl, '--profile', 'home'], { env });

  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain(await hostFingerprint());
  expect(result.stderr).toMatch(/^try: compare it .*--accept-new-host-key$/m);
  await expect(readFile(knownHosts, 'utf8')).rejects.toThrow(/ENOENT/);
  expect(result.stdout).toBe(`made the key ${join(home, '.ssh', 'llm-bridge-home')}\n`);
});

test('a PC joins by one pasted line, and goes on where it stood', async () => {
  const { env } = await machine();
  const words = ['join', bridge.sshUrl, '--name', 'home-pc', '--profile', 'home', '--accept-new-host-key'];

  const first = await runCli([...words, '--no-wait'], { env });
  expect(first).toMatchObject({ exitCode: 75 });
  expect(first.stderr).toContain('error: the key is not let in yet\ntry: paste the line above');
  expect(first.stdout).toContain('the host key of the server was new, and is trusted from now on');
  const line = lineIn(first.stdout);
  expect(line).toContain(`--role agent --key 'ssh-ed25519 `);
  expect(await paste(line)).toMatchObject({ exitCode: 0, stderr: '' });

  const second = await runCli(words, { env });
  expect(second).toMatchObject({ exitCode: 0, stderr: '' });
  expect(second.stdout).toMatch(/^kept the key /);
  expect(second.stdout).toContain('the server lets it in as home-pc, with the role agent');
  expect(second.stdout).toMatch(/^doctor: \d+ checks are ok$/m);
  expect(second.stdout).toMatch(/^next: llm-bridge agent --repo home$/m);

  // From now on the bridge needs no name here.
  const used = await runCli(['use'], { env });
  expect(used.stdout).toMatch(new RegExp(`^\\* home\t${bridge.sshUrl}\t.*llm-bridge-home\n$`));
  // A key says hello whatever path was typed: the wrong one is told, and takes no saved one's place.
  const [, address = '', ...rest] = words;
  const wrong = await runCli(['join', `${address}x`, ...rest], { env });
  expect(wrong.exitCode).toBe(1);
  expect(wrong.stderr).toMatch(
    /^error: read \S+x: the server refused: this key opens no shell and no other path/,
  );
  expect(wrong.stderr).toMatch(
    /^try: check the path: ssh:\/\/\S+bridge\.git; another bridge .*--profile NAME$/m,
  );
  expect(wrong.stderr).toContain(`try: check the path: ${bridge.sshUrl};`);
  expect(wrong.stdout).not.toMatch(/^(?:saved|next)/m);
  expect((await runCli(['use'], { env })).stdout).toBe(used.stdout);
  await runCli(['ask', '2+2', '--no-wait', '--repo', bridge.repoPath], { env: ownerEnv });
  expect(await runCli(['agent', '--once'], { env })).toMatchObject({ exitCode: 0 });
  const status = await runCli(['status', '--repo', 'home'], { env });
  expect(status.stdout).toContain('1 answered');
});

test('a person is asked for the host key once, and a bot is let in while join waits', async () => {
  const { env, knownHosts } = await machine();
  const words = ['join', bridge.sshUrl, '--role', 'asker', '--name', 'bot', '--profile', 'home'];
  const onTerminal = await startOnTerminal(words, env);
  if (onTerminal === null) return;

  await onTerminal.waitFor(/Is it the same\? \[yes\/no\]/);
  expect(onTerminal.shown()).toContain(await hostFingerprint());
  onTerminal.type('yes');
  await onTerminal.waitFor(/waiting until the key is let in/);
  const shown = onTerminal.shown().replaceAll('\r', '');
  expect(await paste(lineIn(shown))).toMatchObject({ exitCode: 0 });

  await onTerminal.waitFor(/next: llm-bridge ask/);
  expect(await onTerminal.exited).toBe(0);
  expect(await readFile(knownHosts, 'utf8')).toMatch(/^\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+\n$/);
  expect(await runCli(['models'], { env })).toMatchObject({ exitCode: 0 });
});

test('who does not say yes trusts nothing', async () => {
  const { env, knownHosts } = await machine();
  const onTerminal = await startOnTerminal(['join', bridge.sshUrl], env);
  if (onTerminal === null) return;

  await onTerminal.waitFor(/\[yes\/no\]/);
  onTerminal.type('ja');

  await onTerminal.waitFor(/error: the key ED25519 SHA256:\S+ is not trusted/);
  expect(await onTerminal.exited).toBe(1);
  await expect(readFile(knownHosts, 'utf8')).rejects.toThrow(/ENOENT/);
});

test('Ctrl-C at the question ends it in two lines, and Ctrl-D is a no', async () => {
  const { env, knownHosts } = await machine();
  const stopped = await startOnTerminal(['join', bridge.sshUrl], env);
  if (stopped === null) return;
  await stopped.waitFor(/\[yes\/no\]/);
  stopped.press('\x03');
  expect(await stopped.exited).toBe(1);
  const said = stripVTControlCharacters(stopped.shown()).replaceAll('\r', '');
  expect(said).toMatch(/\[yes\/no\] \n+error: stopped by SIGINT\ntry: run it again\n/);

  const closed = await startOnTerminal(['join', bridge.sshUrl], env);
  await closed?.waitFor(/\[yes\/no\]/);
  closed?.press('\x04');
  await closed?.exited;
  expect(closed?.shown()).toMatch(/error: the key ED25519 SHA256:\S+ is not trusted/);
  expect(await closed?.exited).toBe(1);
  await expect(readFile(knownHosts, 'utf8')).rejects.toThrow(/ENOENT/);
});

test.each([
  ['is on its PATH', 'second'],
  ['only an interactive shell finds, as with nvm', 'interactive'],
])(
  'a login of one’s own whose llm-bridge %s lets the key in, without a word to paste',
  async (_where, name) => {
    const { env, home } = await machine();
    const there = { ...ownerEnv };
    if (name === 'interactive') {
      const shell = join(home, 'shell');
      const bin = join(bridge.dir, 'bin');
      await writeFile(shell, `#!/bin/sh\n[ "$1" = -ic ] || exit 9\nPATH=${bin}:$PATH exec sh -c "$2"\n`, {
        mode: 0o755,
      });
      Object.assign(there, { SHELL: shell, PATH: bridge.ownerEnv.PATH });
    }
    const own = join(home, 'own');
    await runProcess('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', own], { env });
    // The shell of that login, with what is in it on this machine.
    const shell = Object.entries(there).map(([name, value]) => `${name}=${shellQuote(value)}`);
    const command = `env ${shell.join(' ')} sh -c "$SSH_ORIGINAL_COMMAND"`;
    const options = `command="${command.replaceAll('"', '\\"')}"`;
    await appendFile(bridge.authorizedKeysFile, `${options} ${await readFile(`${own}.pub`, 'utf8')}`);
    // The key is in an agent, as a person has it: ssh uses that where it is told of no other key.
    const socket = join(home, 'ssh-agent');
    const agent = await runProcess('ssh-agent', ['-a', socket], { env });
    onCleanup(() => void process.kill(Number(/SSH_AGENT_PID=(\d+)/.exec(agent.stdout)?.[1])));
    await runProcess('ssh-add', ['-q', own], { env: { ...env, SSH_AUTH_SOCK: socket } });
    const config = join(home, 'ssh_config');
    const login = `Host own-login\n  HostName 127.0.0.1\n  HostKeyAlias [127.0.0.1]:${bridge.sshd.port}\n  IdentityAgent ${socket}\n`;
    await writeFile(config, `${login}Host *\n${await readFile(config, 'utf8')}`);
    const via = `${bridge.sshd.user}@own-login`;

    const result = await runCli(
      ['join', bridge.sshUrl, '--name', name, '--role', 'asker', '--via', via, '--accept-new-host-key'],
      { env },
    );

    expect(result.stderr).not.toMatch(/^error:/m);
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.stdout).toContain(`the server lets it in as ${name}, with the role asker`);
  },
);

test('a login that is wrong is told from a line that fails there, and the line is printed', async () => {
  const { env, home } = await machine();
  const words = ['join', bridge.sshUrl, '--name', 'fourth', '--role', 'asker', '--accept-new-host-key'];
  const stranger = await runCli([...words, '--via', `${bridge.sshd.user}@127.0.0.1`], { env });
  expect(stranger.exitCode).toBe(1);
  expect(stranger.stderr).toMatch(
    /^error: .*: cannot log in as \S+@127\.0\.0\.1\n^try: paste this on the server, as \S+: llm-bridge key add fourth /m,
  );

  const failing = join(home, 'ssh');
  await writeFile(
    failing,
    '#!/bin/sh\nfor word; do case $word in *"key add"*) exit 7 ;; esac; done\nexec ssh "$@"\n',
  );
  await chmod(failing, 0o755);
  const broken = { ...env, GIT_SSH_COMMAND: `${failing} -F ${join(home, 'ssh_config')}` };
  const there = await runCli([...words, '--via', `${bridge.sshd.user}@127.0.0.1`], { env: broken });
  expect(there.stderr).toMatch(/^error: .*: the line failed there, exit code 7$/m);
});

test.skipIf(process.platform !== 'linux')('the service that join installs starts an agent', async () => {
  const { env, home } = await machine();
  const bin = join(home, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'systemctl'), '#!/bin/sh\necho ActiveState=active\n', { mode: 0o755 });
  const pc = { ...env, PATH: [bin, env.PATH].join(delimiter) };
  const words = ['join', bridge.sshUrl, '--name', 'fifth', '--profile', 'fifth', '--accept-new-host-key'];
  const first = await runCli([...words, '--no-wait'], { env: pc });
  await paste(lineIn(first.stdout));

  const installed = await runCli([...words, '--service', '--backend', 'lmstudio,ollama'], { env: pc });

  expect(installed).toMatchObject({ exitCode: 0, stderr: '' });
  const unit = await readFile(join(home, '.config/systemd/user/llm-bridge-agent.service'), 'utf8');
  const started = /^ExecStart=(.*)$/m.exec(unit)?.[1] ?? 'false';
  expect(started).toContain(' --backend lmstudio,ollama ');
  const agent = await runProcess('sh', ['-c', `${started} --once`], { env: pc });
  expect(agent.exitCode, agent.stderr).toBe(0);

  await runCli([...words, '--service'], { env: pc });
  const plain = await readFile(join(home, '.config/systemd/user/llm-bridge-agent.service'), 'utf8');
  expect(plain).toMatch(/^ExecStart=\S+ \S+ agent --repo \S+ --identity \S+llm-bridge-fifth$/m);
});

test('a key that is let in with the other role is told, and how it is put right', async () => {
  const { env } = await machine();
  const words = ['join', bridge.sshUrl, '--name', 'third', '--accept-new-host-key'];
  const joining = await startCli(words, { env });
  await joining.waitFor('stderr', /waiting/);
  const line = lineIn(joining.stdout()).replace('--role agent', '--role asker');
  await paste(line);

  expect((await joining.exited).exitCode).toBe(1);
  expect(joining.stderr()).toContain('error: the key is let in as third, with the role asker');
  expect(joining.stderr()).toMatch(
    /^try: join with --role asker; for both .* --profile third; or on the server: llm-bridge key remove/m,
  );
});

test('Ctrl-C ends the waiting, and what was made stays, by a name that is no other bridge’s', async () => {
  const { env, home } = await machine();
  const other = 'ssh://bridge@192.0.2.1/srv/llm-bridge/bridge.git';
  await saveProfile(profilesFile(env), 'bridge', { repo: other });
  const joining = await startCli(['join', bridge.sshUrl, '--accept-new-host-key'], { env });
  await joining.waitFor('stderr', /waiting/);
  expect(joining.stdout()).toContain(`bridge is another bridge here, ${other}: this one is called bridge-2`);
  joining.signal('SIGINT');

  expect((await joining.exited).exitCode).not.toBe(0);
  await waitUntil(() => readFile(join(home, '.ssh', 'llm-bridge-bridge-2.pub')), 'the key');
});
