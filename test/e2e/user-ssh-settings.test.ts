import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { makeKeyPair } from '../../src/admin/make-key-pair.js';
import { type LocalSshd, startLocalSshd } from '../../src/demo/local-sshd.js';
import { configPath } from '../../src/demo/ssh-client.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { startAgentHere } from '../support/agent-here.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { CLEAN_SESSION, cleanEnv } from '../support/clean-env.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { onCleanup } from '../support/on-cleanup.js';
import { runProcess } from '../support/run-process.js';
import { waitUntil } from '../support/wait-until.js';

let bridge: BridgeFixture;
let standIn: StandIn;
/** Nothing of the fixture's own ssh command: what reaches the bridge is what the test says. */
let env: Record<string, string>;

beforeEach(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const runtimeDir = join(bridge.dir, 'run');
  await mkdir(runtimeDir, { mode: 0o700 });
  env = { ...cleanEnv(bridge.principal('home-pc').home), XDG_RUNTIME_DIR: runtimeDir };
});

/** Writes an ssh configuration; answers the command that uses it. */
async function sshWith(name: string, blocks: readonly string[][]): Promise<string> {
  const file = join(bridge.dir, `ssh-config-${name}`);
  const common = ['Host *', 'BatchMode yes', 'GlobalKnownHostsFile /dev/null', 'StrictHostKeyChecking yes'];
  await writeFile(file, `${[...blocks, common].map((block) => block.join('\n  ')).join('\n')}\n`);
  return `ssh -F '${file}'`;
}

/** What an alias stands for. */
const hostBlock = (alias: string, sshd: LocalSshd, ...more: string[]) => [
  `Host ${alias}`,
  `HostName ${sshd.host}`,
  `Port ${sshd.port}`,
  `User ${sshd.user}`,
  `UserKnownHostsFile ${configPath(sshd.knownHostsFile)}`,
  ...more,
];

const logins = async (sshd: LocalSshd) =>
  [...(await readFile(sshd.logFile, 'utf8')).matchAll(/Accepted publickey/g)].length;

/** Has an agent and an asker go through an alias; each logs in once, whatever they do. */
async function goesThrough(commands: { readonly agent: string; readonly asker: string }): Promise<void> {
  const repo = `ssh://the-server${bridge.repoPath}`;
  const agent = await startAgentHere(bridge, standIn, {
    state: 'one',
    repo,
    env: { ...env, GIT_SSH_COMMAND: commands.agent },
  });
  await commitOnMain(bridge, { path: 'task.txt', content: '1+1' });
  await waitUntil(async () => (await bridge.answersLog()).length === 1, 'the answer').catch((error) => {
    throw new Error(`${error}; the agent said:\n${agent.stderr()}`);
  });
  const asked = await runCliHere(['ask', '2+3', '--repo', repo], {
    env: { ...env, GIT_SSH_COMMAND: commands.asker },
  });
  expect(asked).toMatchObject({ exitCode: 0, stdout: '5\n', stderr: '' });
  expect(await logins(bridge.sshd)).toBe(2);
  agent.signal('SIGTERM');
  expect(await agent.exited).toEqual({ exitCode: 0, signal: null });
}

test('an alias of the ssh configuration, with its port, user and key, is an address, and what a login of its user runs or shares is not for us (RustConn#239)', async () => {
  const of = (name: string) =>
    sshWith(name, [
      hostBlock(
        'the-server',
        bridge.sshd,
        `IdentityFile ${configPath(bridge.principal(name).identityFile)}`,
        'IdentitiesOnly yes',
        'IdentityAgent none',
        'RemoteCommand tmux new-session -A',
        'RequestTTY force',
        'PermitLocalCommand yes',
        'LocalCommand echo Welcome',
        'IgnoreUnknown SessionType,StdinNull,ForkAfterAuthentication',
        ...['SessionType none', 'StdinNull yes', 'ForkAfterAuthentication yes'],
        // Longer than a socket's path may be, as one with the name of a host in the cloud is.
        'ControlMaster auto',
        `ControlPath ${join(bridge.dir, 'x'.repeat(100))}-%r@%h:%p`,
      ),
    ]);
  await goesThrough({ agent: await of('home-pc'), asker: await of('bot') });
});

test('a server behind another is reached by ProxyJump', async () => {
  const jumpKey = await makeKeyPair(join(bridge.dir, 'key-jump'), 'jump');
  const authorized = join(bridge.dir, 'authorized_keys_jump');
  await writeFile(authorized, await readFile(jumpKey.publicKeyFile, 'utf8'), { mode: 0o600 });
  const jump = await startLocalSshd({
    dir: join(bridge.dir, 'sshd-jump'),
    authorizedKeysFile: authorized,
    sessionEnv: CLEAN_SESSION,
  });
  onCleanup(jump.stop);
  const key = (file: string) => [
    `IdentityFile ${configPath(file)}`,
    'IdentitiesOnly yes',
    'IdentityAgent none',
  ];
  const of = (name: string) =>
    sshWith(name, [
      hostBlock('the-server', bridge.sshd, 'ProxyJump jump', ...key(bridge.principal(name).identityFile)),
      hostBlock('jump', jump, ...key(jumpKey.identityFile)),
    ]);
  await goesThrough({ agent: await of('home-pc'), asker: await of('bot') });
  expect(await logins(jump)).toBe(2);
});

test('a key that only the ssh agent has opens the bridge', async () => {
  const agents = await Promise.all(['home-pc', 'bot'].map((name) => sshAgentWith(name)));
  const [pc = '', bot = ''] = agents;
  const of = (name: string, socket: string) =>
    sshWith(name, [
      hostBlock('the-server', bridge.sshd, `IdentityAgent ${configPath(socket)}`, 'IdentityFile none'),
    ]);
  await goesThrough({ agent: await of('home-pc', pc), asker: await of('bot', bot) });
});

/** Starts an ssh-agent with the key of a principal; answers its socket. */
async function sshAgentWith(name: string): Promise<string> {
  const socket = join(bridge.dir, `agent-${name}`);
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'], env });
  onCleanup(() => void agent.kill());
  await once(agent.stdout, 'data');
  const added = await runProcess('ssh-add', ['-q', bridge.principal(name).identityFile], {
    env: { ...env, SSH_AUTH_SOCK: socket },
  });
  expect(added.exitCode, added.stderr).toBe(0);
  return socket;
}
