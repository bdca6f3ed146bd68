import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { makeKeyPair } from '../admin/make-key-pair.js';
import { clientLines } from '../gateway/client-settings.js';
import { DEFAULT_LISTEN, type ListenAddress, parseListenAddress } from '../gateway/listen-address.js';
import { openGateway } from '../gateway/open-gateway.js';
import { clientGitEnv } from '../git/git-env.js';
import { readLog } from '../git/porcelain.js';
import { shellQuote } from '../process/shell-quote.js';
import { MAIN_REF } from '../protocol/names.js';
import { type OwnProgram, runOwnProgram, startDemoAgent } from './demo-program.js';
import { findModelServer } from './find-model-server.js';
import { startLocalSshd } from './local-sshd.js';
import { findSshd } from './run-sshd.js';
import { sshCommandFor } from './ssh-client.js';

/** Options for the demo. */
export interface DemoOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** The command that starts this program: node and the path of its entry. */
  readonly program: OwnProgram;
  readonly print: (text: string) => Promise<void>;
  /** Without sshd, even where it is installed: the agent uses the local path. */
  readonly local: boolean;
  /** Leaves a gateway of the bridge open until the signal aborts. */
  readonly serve: boolean;
}

const QUESTION = '2+2';

/** How long a real model may take to load and answer; the stand-in answers at once. Seconds. */
const TIMEOUT_S = '600';

/** The same for calls of the gateway. Milliseconds. */
const GATEWAY_WAIT_MS = 240_000;

/**
 * Runs a whole bridge on this machine in a temporary folder: the real programs, real git and hooks, and a
 * real sshd where one is installed. Prints what a newcomer should see. Stops what it started, and leaves the
 * folder to look at. Throws BridgeError.
 */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { print } = options;
  // Everything that the demo started ends with it, also when one part failed.
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  const dir = await mkdtemp(path.join(os.tmpdir(), 'llm-bridge-demo-'));
  const home = path.join(dir, 'home');
  await mkdir(home, { mode: 0o700 });
  const repo = path.join(dir, 'bridge.git');
  // The demo shows the bridge, not this user's git settings.
  const env = {
    ...clientGitEnv(options.env),
    HOME: home,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
  };
  const run = (args: readonly string[], extra: NodeJS.ProcessEnv = {}) =>
    runOwnProgram(options.program, args, { ...env, ...extra }, signal);
  const cleanups: (() => Promise<void>)[] = [];
  try {
    const models = await findModelServer(signal, options.env);
    cleanups.push(models.close);
    await print(models.description);

    await run(['init', repo]);
    const way = await openWay({ dir, repo, env, run, signal, local: options.local });
    cleanups.push(way.close);
    await print(way.description);

    const agent = startDemoAgent(
      options.program,
      [
        ...['agent', '--repo', way.address, '--name', 'home-pc'],
        ...['--state-dir', path.join(dir, 'agent'), ...models.agentArgs],
      ],
      { ...env, ...way.env },
    );
    cleanups.push(agent.stop);
    const asked = run(['ask', QUESTION, '--repo', repo, '--name', 'bot', '--timeout', TIMEOUT_S]);
    const answer = (await Promise.race([asked, agent.failed])).trimEnd();

    const log = (await readFile(path.join(repo, 'bridge', 'answers.log'), 'utf8')).trimEnd();
    const history = await readLog({ gitDir: repo, env }, MAIN_REF, '%h %an: %s');
    const block = (title: string, text: string) =>
      print(`\n${title}\n${text.trimEnd().replace(/^/gm, '  ')}`);
    await block('question', QUESTION);
    await block('answer', answer);
    await block('answers.log', log);
    await block('git log', history);
    await block(
      'where everything lies',
      [
        `bridge       ${repo}`,
        `answers.log  ${path.join(repo, 'bridge', 'answers.log')}`,
        `agent        ${path.join(dir, 'agent')}`,
        `remove it    rm -r ${shellQuote(dir)}`,
      ].join('\n'),
    );
    if (options.serve) await serveUntilStopped({ repo, env, print, agentFailed: agent.failed, signal });
  } finally {
    ended.abort();
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

/** Opens a gateway of the bridge and says how clients find it. Returns when the signal aborts. */
async function serveUntilStopped(demo: {
  repo: string;
  env: NodeJS.ProcessEnv;
  print: (text: string) => Promise<void>;
  agentFailed: Promise<never>;
  signal: AbortSignal;
}): Promise<void> {
  const { repo, env, print, signal } = demo;
  const gateway = await openGateway({
    bridges: [{ name: 'demo', access: { repo, env } }],
    listen: await listenAddress(),
    waitMs: GATEWAY_WAIT_MS,
    lingerMs: 0,
    aliases: new Map(),
    allowedHosts: [],
    corsOrigins: [],
    name: 'client',
    say: () => {},
  });
  try {
    await print(
      ['', `the gateway is open until Ctrl-C: ${gateway.url}`, ...clientLines(gateway.url)].join('\n'),
    );
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    await Promise.race([stopped, demo.agentFailed]);
  } finally {
    await gateway.close();
  }
}

/** The usual address, so that the lines are those of the README; where its port is taken, any port. */
async function listenAddress(): Promise<ListenAddress> {
  const usual = parseListenAddress(DEFAULT_LISTEN) ?? { host: '127.0.0.1', port: 0 };
  const probe = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false)).listen(usual, () => probe.close(() => resolve(true)));
  });
  return isFree ? usual : { ...usual, port: 0 };
}

/** How the agent reaches the bridge: over a real sshd with a key of its own, or by the local path. */
interface Way {
  readonly address: string;
  readonly env: NodeJS.ProcessEnv;
  readonly description: string;
  close(): Promise<void>;
}

async function openWay(demo: {
  dir: string;
  repo: string;
  env: NodeJS.ProcessEnv;
  run: (args: readonly string[]) => Promise<string>;
  signal: AbortSignal;
  local: boolean;
}): Promise<Way> {
  const { dir, repo } = demo;
  if (demo.local || (await findSshd()) === null) {
    const why = demo.local ? 'as asked for' : 'because no sshd is installed here';
    return {
      address: repo,
      env: {},
      description: `way: by local path, ${why} (the agent of a real bridge comes over SSH)`,
      close: async () => {},
    };
  }
  const authorizedKeysFile = path.join(dir, 'authorized_keys');
  const key = await makeKeyPair(path.join(dir, 'agent-key'), 'home-pc');
  await demo.run([
    ...['key', 'add', 'home-pc', '--role', 'agent', '--key', key.publicKeyFile],
    ...['--repo', repo, '--authorized-keys', authorizedKeysFile],
  ]);
  const sshd = await startLocalSshd({ dir: path.join(dir, 'sshd'), authorizedKeysFile, signal: demo.signal });
  const address = `ssh://${sshd.user}@${sshd.host}:${sshd.port}${repo}`;
  return {
    address,
    env: { GIT_SSH_COMMAND: sshCommandFor(sshd, key.identityFile) },
    description: `way: over a real sshd on this machine, ${address}`,
    close: () => sshd.stop(),
  };
}
