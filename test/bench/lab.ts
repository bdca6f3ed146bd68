import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type KeyPair, makeKeyPair } from '../../src/admin/make-key-pair.js';
import { type LocalSshd, startLocalSshd } from '../../src/demo/local-sshd.js';
import { sshOptionsFor } from '../../src/demo/ssh-client.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { CLEAN_SESSION, cleanEnv } from '../support/clean-env.js';
import { type ProgramOptions, type ProgramResult, runProgram } from './run-program.js';

/**
 * A folder, an sshd, an instant model server, and bridges made by the built program. All of it goes with
 * `close`.
 */
export interface Lab {
  readonly dir: string;
  /** A clean environment: nobody's git or ssh settings. */
  readonly env: Record<string, string>;
  readonly sshd: LocalSshd;
  readonly standIn: StandIn;
  readonly authorizedKeysFile: string;
  /** A key with an open shell on the server, for what is measured without the bridge. */
  readonly plainKey: KeyPair;
  readonly signal: AbortSignal;
  /** Tells how far it is, on stderr. */
  say(text: string): void;
  /** The built program. */
  program(args: readonly string[], options?: Partial<ProgramOptions>): Promise<ProgramResult>;
  git(gitDir: string, args: readonly string[], options?: Partial<ProgramOptions>): Promise<string>;
  /** A new bridge with a key of the role agent. `path` is the PATH of its server, default ours. */
  makeBridge(name: string, path?: string): Promise<LabBridge>;
  /** Runs when the lab closes, the last first. */
  defer(cleanup: () => Promise<void> | void): void;
  close(): Promise<void>;
}

/** A bridge of the lab. */
export interface LabBridge {
  readonly name: string;
  readonly repoPath: string;
  readonly logPath: string;
  readonly sshUrl: string;
  readonly agentKey: KeyPair;
  /** The environment of its agent: the ssh command with that key. */
  readonly agentEnv: Record<string, string>;
}

/** What is started: `node` and the entry of the built program. */
export type Program = readonly [node: string, entry: string];

/** Opens a lab. */
export async function openLab(program: Program, signal: AbortSignal): Promise<Lab> {
  const dir = await mkdtemp(path.join(await realpath(os.tmpdir()), 'llm-bridge-bench-'));
  const cleanups: (() => Promise<void> | void)[] = [
    () => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  ];
  const close = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    const home = path.join(dir, 'home');
    await mkdir(home, { mode: 0o700 });
    const env = cleanEnv(home);
    const authorizedKeysFile = path.join(dir, 'authorized_keys');
    const plainKey = await makeKeyPair(path.join(dir, 'plain-key'), 'plain');
    await writeFile(authorizedKeysFile, await readFile(plainKey.publicKeyFile, 'utf8'), { mode: 0o600 });
    const sshd = await startLocalSshd({
      dir: path.join(dir, 'sshd'),
      authorizedKeysFile,
      logLevel: 'INFO',
      sessionEnv: CLEAN_SESSION,
    });
    cleanups.push(sshd.stop);
    const standIn = await startStandIn();
    cleanups.push(standIn.close);
    const lab: Lab = {
      dir,
      env,
      sshd,
      standIn,
      authorizedKeysFile,
      plainKey,
      signal,
      say: (text) => console.error(`bench: ${text}`),
      program: ([...args], options = {}) =>
        runProgram(program[0], [program[1], ...args], { env, signal, ...options }),
      git: async (gitDir, args, options = {}) =>
        (await runProgram('git', ['--git-dir', gitDir, ...args], { env, signal, ...options })).stdout.trim(),
      makeBridge: (name, path) => makeBridge(lab, name, path),
      defer: (cleanup) => cleanups.push(cleanup),
      close,
    };
    return lab;
  } catch (error) {
    await close();
    throw error;
  }
}

async function makeBridge(lab: Lab, name: string, serverPath = lab.env.PATH ?? ''): Promise<LabBridge> {
  const repoPath = path.join(lab.dir, `${name}.git`);
  await lab.program(['init', repoPath], { env: { ...lab.env, PATH: serverPath } });
  const key = await makeKeyPair(path.join(lab.dir, `key-${name}`), name);
  const adding = ['--role', 'agent', '--key', key.publicKeyFile, '--authorized-keys', lab.authorizedKeysFile];
  await lab.program(['key', 'add', 'home-pc', ...adding, '--repo', repoPath]);
  return {
    name,
    repoPath,
    logPath: path.join(repoPath, 'bridge', 'answers.log'),
    sshUrl: sshUrlOf(lab, repoPath),
    agentKey: key,
    agentEnv: { ...lab.env, GIT_SSH_COMMAND: sshCommand(lab, key) },
  };
}

/** The address of a repository of the lab over ssh. */
export function sshUrlOf({ sshd }: Lab, repoPath: string): string {
  return `ssh://${sshd.user}@${sshd.host}:${sshd.port}${repoPath}`;
}

/** The ssh command with a key, quoted for a shell; `more` are further words. */
export function sshCommand(lab: Lab, key: KeyPair, more: readonly string[] = []): string {
  return ['ssh', ...sshOptionsFor(lab.sshd, key.identityFile), ...more].map((word) => `'${word}'`).join(' ');
}
