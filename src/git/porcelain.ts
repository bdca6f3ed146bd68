import path from 'node:path';
import type { SimpleGit, SimpleGitOptions } from 'simple-git';
import { stripControls } from '../protocol/printable.js';
import { classifyGitFailure } from './git-failure.js';
import { LEFT_OUT_ENV, SETTING_LEFT_OUT } from './left-out.js';
import { PINNED } from './pinned-settings.js';
import { type GitResult, gitFailed, type Repository, throwStartError } from './run-git.js';

/*
 * git as a person uses it, through simple-git: commands that run seldom and are not plumbing. simple-git
 * drops inherited GIT_* variables and takes a non-zero exit without output for success; `run` corrects both.
 * Its abort ends git alone, so a fetch or push would leave an ssh behind; those use run-remote-git.ts. It
 * takes a tenth of a second to load, and refuses a folder that is not there, so what every start and every
 * hook asks, and the repair of a clone, go by run-git.ts.
 */

/**
 * What `git --version` says. Throws BridgeError `no-git`, or `git-failed` or `git-killed` where it failed.
 */
export async function readGitVersion(env: NodeJS.ProcessEnv): Promise<string> {
  return (await text({ gitDir: null, env }, ['--version'])).trim();
}

/**
 * The repository's own settings by their key in lower case, each with all of its values. Throws BridgeError
 * as gitFailed makes it.
 */
export async function readLocalConfig(repo: Repository): Promise<ReadonlyMap<string, readonly string[]>> {
  const { result, value } = await run(repo, (git) => git.listConfig('local'));
  if (result.exitCode !== 0) throw gitFailed(['config'], result);
  const [settings = {}] = Object.values(value.values);
  return new Map(Object.entries(settings).map(([key, one]) => [key.toLowerCase(), [one].flat()]));
}

/** Replaces the values of a setting of the repository. Throws BridgeError as gitFailed makes it. */
export async function writeLocalConfig(
  repo: Repository,
  key: string,
  [first = '', ...more]: readonly string[],
): Promise<void> {
  await text(repo, ['config', '--local', '--replace-all', key, first]);
  for (const value of more) await text(repo, ['config', '--local', '--add', key, value]);
}

/** Packs a repository, and drops unreachable objects older than `prune`, a date in git's format. */
export async function collectGarbage(repo: Repository, prune: string, signal: AbortSignal): Promise<void> {
  await text(repo, ['gc', '--quiet', `--prune=${prune}`], signal);
}

/** `unknown`: the signal aborted first. */
export type Soundness =
  | { readonly status: 'sound' | 'unknown' }
  | { readonly status: 'damaged'; readonly said: string };

/**
 * Checks with `git fsck` that every object of main is there, but for files that the repository leaves out.
 * The contents of blobs are not read.
 */
export async function checkSoundness(repo: Repository, ref: string, signal: AbortSignal): Promise<Soundness> {
  const args = ['fsck', '--connectivity-only', '--no-dangling', '--no-reflogs', '--no-progress', ref];
  const leavesOut = repo.leavesOutBytes !== undefined;
  const folder = leavesOut ? { ...repo, env: { ...repo.env, ...LEFT_OUT_ENV } } : repo;
  const settings = leavesOut ? [SETTING_LEFT_OUT] : [];
  try {
    const { result } = await run(folder, (git) => git.raw(args), { signal, settings });
    if (result.exitCode === 0) return { status: 'sound' };
    // fsck reports missing and broken objects on standard output.
    return { status: 'damaged', said: `${result.stderr}${result.stdout.toString('utf8')}` };
  } catch (error) {
    if (signal.aborted) return { status: 'unknown' };
    throw error;
  }
}

/** What `git log` says of main, one line for each commit in `format`, the oldest first. For people. */
export async function readLog(repo: Repository, ref: string, format: string): Promise<string> {
  return text(repo, ['log', '--reverse', '--encoding=UTF-8', `--format=${format}`, ref, '--']);
}

/**
 * The id of a ref in another repository; null where there is none. Throws BridgeError as classifyGitFailure
 * does.
 */
export async function readRemoteRef(
  env: NodeJS.ProcessEnv,
  url: string,
  ref: string,
): Promise<string | null> {
  const { result, value } = await run({ gitDir: null, env }, (git) => git.listRemote([url, ref]));
  if (result.exitCode !== 0) throw classifyGitFailure(`read ${url}`, result.stderr, url);
  const line = value.split('\n').find((one) => one.endsWith(`\t${ref}`));
  return line?.split('\t')[0] ?? null;
}

/** Where a command runs; null: in no repository. */
interface GitFolder {
  readonly gitDir: string | null;
  readonly env: NodeJS.ProcessEnv;
}

async function text(folder: GitFolder, args: string[], signal?: AbortSignal): Promise<string> {
  const { result, value } = await run(folder, (git) => git.raw(args), { signal });
  if (result.exitCode !== 0) throw gitFailed(args, result);
  return value;
}

/**
 * Runs one command of simple-git, with `settings` besides those that every git has. A non-zero exit is a
 * result. Rejects once the signal aborts.
 */
async function run<T>(
  { gitDir, env }: GitFolder,
  command: (git: SimpleGit) => PromiseLike<T>,
  {
    signal,
    settings = [],
  }: { readonly signal?: AbortSignal | undefined; readonly settings?: readonly string[] } = {},
): Promise<{ readonly result: GitResult; readonly value: T }> {
  // Loaded late: simple-git takes a tenth of a second to load and 11 MB of the agent's memory.
  const { simpleGit } = await import('simple-git');
  // As a variable: simple-git has no option for it, and the user's safe.bareRepository may forbid git to
  // find the repository itself.
  const given = gitDir === null ? env : { ...env, GIT_DIR: gitDir };
  let result: GitResult | null = null;
  let startError: Error | undefined;
  const git = simpleGit({
    baseDir: gitDir ?? path.parse(process.execPath).root,
    // We pass the whole environment. simple-git would drop every GIT_ variable that is not named.
    allowEnvironment: Object.keys(given),
    unsafe: ALLOWED,
    config: [...PINNED, ...settings],
    ...(signal === undefined ? {} : { abort: signal }),
    errors(error, { exitCode, stdOut, stdErr }) {
      const stderr = stripControls(Buffer.concat(stdErr).toString('utf8'));
      if (/spawn git ENOENT/.test(stderr)) startError = Object.assign(new Error(stderr), { code: 'ENOENT' });
      result = { exitCode: exitCode ?? 128, stdout: Buffer.concat(stdOut), stderr };
      return signal?.aborted ? error : undefined;
    },
  }).env(given);
  try {
    const value = await command(git);
    if (startError !== undefined) throwStartError(startError);
    if (result === null) throw new Error('simple-git ended without a result');
    return { result, value };
  } finally {
    signal?.throwIfAborted();
  }
}

/**
 * simple-git refuses arguments and settings through which a stranger could start a program. The arguments
 * here are our own, and the settings are those of this machine's user. Whatever a newer simple-git refuses
 * has to be added here.
 */
const ALLOWED: Required<NonNullable<SimpleGitOptions['unsafe']>> = {
  allowAbbreviatedOptions: false,
  allowUnsafeAlias: true,
  allowUnsafeAskPass: true,
  allowUnsafeCommandBinaries: true,
  allowUnsafeConfigEnvCount: true,
  allowUnsafeConfigPaths: true,
  allowUnsafeCredentialHelper: true,
  allowUnsafeCustomBinary: true,
  allowUnsafeDiffExternal: true,
  allowUnsafeDiffTextConv: true,
  allowUnsafeEditor: true,
  allowUnsafeExec: true,
  allowUnsafeFilter: true,
  allowUnsafeFsMonitor: true,
  allowUnsafeGitProxy: true,
  allowUnsafeGpgProgram: true,
  allowUnsafeHooksPath: true,
  allowUnsafeInclude: true,
  allowUnsafeMergeDriver: true,
  allowUnsafePack: true,
  allowUnsafePager: true,
  allowUnsafeProtocolOverride: true,
  allowUnsafeSshCommand: true,
  allowUnsafeSubmodule: true,
  allowUnsafeTemplateDir: true,
  allowUnsafeUrlRewrite: true,
};
