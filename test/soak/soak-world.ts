import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalSshd } from '../../src/demo/local-sshd.js';
import { sshCommandFor } from '../../src/demo/ssh-client.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import type { RunResult } from '../support/run-process.js';
import { type BridgeProcesses, bridgeProcesses } from './bridge-processes.js';
import { type CutProxy, startCutProxy } from './cut-proxy.js';
import { type Tally, tally } from './figures.js';
import { type MainTracker, trackMain } from './main-tracker.js';
import { type Random, seeded } from './random.js';

/** How many questions may wait before the askers hold back. */
const MAX_PENDING = 60;

/**
 * How long a task of the soak lives. Longer than a run; short enough that a commit may be dated before it.
 */
export const SOAK_TTL_MS = 55 * 60_000;

/** Everything the parts of a soak share. */
export interface SoakWorld {
  readonly seed: number;
  readonly bridge: BridgeFixture;
  readonly logPath: string;
  /** Where every program's last words are kept. */
  readonly outputDir: string;
  readonly proxy: CutProxy;
  readonly processes: BridgeProcesses;
  readonly main: MainTracker;
  readonly sshdRestarts: () => number;
  /** The generator of one part. */
  random(stream: string): Random;
  /** The environment of a key, whose ssh goes through the proxy, or past it with `direct`. */
  env(name: string, way?: 'direct'): Record<string, string>;
  readonly ownerEnv: Record<string, string>;
  newToken(): string;
  /** Resolves when one more question may be asked. */
  room(signal: AbortSignal): Promise<void>;
  /** Ends sshd with all its sessions and starts it again. One at a time. */
  restartSshd(): Promise<void>;
  /**
   * Runs the built program to its end. Exit code 137 is a kill, 124 one that took longer than two minutes.
   */
  run(args: readonly string[], env: Record<string, string>, input?: string): Promise<RunResult>;
  note(file: string, text: string): Promise<void>;
  readonly acknowledged: { task: string; token: string }[];
  readonly given: { task: string; answer: string | null }[];
  readonly asks: Tally;
  readonly gaveUp: Tally;
}

/** Names of the keys: agents answer, askers ask. */
export const AGENTS = ['agent-1', 'agent-2', 'agent-3', 'agent-4'] as const;
export const ASKERS = ['asker-1', 'asker-2'] as const;

/** No command of a soak is waited for longer. */
const COMMAND_MS = 120_000;

/** Makes a bridge with its keys, an sshd and a proxy in front of it; nobody uses it yet. */
export async function makeSoakWorld(seed: number): Promise<SoakWorld> {
  const bridge = await startBridgeFixture({
    principals: [
      ...AGENTS.map((name) => ({ name, role: 'agent' as const })),
      ...ASKERS.map((name) => ({ name, role: 'asker' as const })),
    ],
  });
  const outputDir = join(bridge.dir, 'output');
  const tmp = join(bridge.dir, 'tmp');
  await mkdir(outputDir);
  await mkdir(tmp);
  await gitOk(['config', 'bridge.taskTtl', `${SOAK_TTL_MS / 60_000}m`], {
    gitDir: bridge.repoPath,
    env: bridge.ownerEnv,
  });
  const ownerEnv = { ...bridge.ownerEnv, TMPDIR: tmp };
  const proxy = await startCutProxy(bridge.sshd.port, seeded(seed, 'proxy'));
  onCleanup(proxy.close);
  // ssh knows a server by its port as well.
  const proxied = { port: proxy.port, knownHostsFile: join(bridge.dir, 'known_hosts_of_proxy') };
  const known = await readFile(bridge.sshd.knownHostsFile, 'utf8');
  await appendFile(proxied.knownHostsFile, known.replace(`:${bridge.sshd.port} `, `:${proxy.port} `));

  let sshd: LocalSshd = bridge.sshd;
  let restarts = 0;
  let restarting: Promise<void> = Promise.resolve();
  let tokens = 0;
  const processes = bridgeProcesses(bridge.dir, () => sshd.pid);
  const main = trackMain(bridge.repoPath, ownerEnv, SOAK_TTL_MS);
  return {
    seed,
    bridge,
    logPath: join(bridge.repoPath, 'bridge', 'answers.log'),
    outputDir,
    proxy,
    processes,
    main,
    sshdRestarts: () => restarts,
    random: (stream) => seeded(seed, stream),
    env(name, way) {
      const { env, identityFile } = bridge.principal(name);
      if (way === 'direct') return { ...env, TMPDIR: tmp };
      return { ...env, TMPDIR: tmp, GIT_SSH_COMMAND: sshCommandFor(proxied, identityFile) };
    },
    ownerEnv,
    newToken() {
      tokens += 1;
      return `soak-token-${tokens}`;
    },
    async room(signal) {
      while (!signal.aborted && main.pending() >= MAX_PENDING) await pause(100, signal);
    },
    restartSshd() {
      restarting = restarting.then(async () => {
        await sshd.stop();
        sshd = await bridge.restartSshd();
        restarts += 1;
      });
      return restarting;
    },
    run: (args, env, input) =>
      runCli(args, { env, input, timeoutMs: COMMAND_MS }).catch((error: Error) => ({
        exitCode: 124,
        stdout: '',
        stderr: error.message,
      })),
    note: (file, text) => appendFile(join(outputDir, file), text),
    acknowledged: [],
    given: [],
    asks: tally(),
    gaveUp: tally(),
  };
}

/** Waits so long, or until the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}

/** The first `error:` line a program said, with what differs from run to run left out. */
export function reasonOf(stderr: string): string {
  const line = /^(?:\S+ )?error: (.*)$/m.exec(stderr)?.[1] ?? stderr.trim().split('\n').at(-1) ?? '';
  return line
    .replace(/\b[0-9a-f]{40}\b|\b[0-9a-f]{8}\b/g, '…')
    .replace(/(?:ssh:\/\/\S+?|\/tmp\/\S+?)(?=[\s:;,)']|$)/g, '…')
    .replace(/\bport [0-9]+|\b127\.0\.0\.1:[0-9]+/g, '…')
    .slice(0, 120);
}
