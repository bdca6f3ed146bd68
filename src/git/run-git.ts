import { type ProgramResult, type RunOptions, runProgram } from '../process/run-program.js';
import { startProgram } from '../process/start-program.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { firstWords, gitMeant } from './git-meaning.js';
import { PINNED_ARGS } from './pinned-settings.js';

/** The hash algorithm of a repository, which gives the length of its ids. */
export type ObjectIds = 'sha1' | 'sha256';

/** A repository and the environment git runs in for it. */
export interface Repository {
  /** The path of the git directory; `.` inside a hook, whose working directory it is. */
  readonly gitDir: string;
  readonly env: NodeJS.ProcessEnv;
  /**
   * Set for a repository that belongs to this user and keeps its refs in files. Its objects are written and
   * its refs are read without a git process for each.
   */
  readonly ownIds?: ObjectIds;
  /**
   * New files are readable by the group and by nobody else, whatever the umask:
   * `core.sharedRepository=0640`.
   */
  readonly groupReads?: boolean;
  /**
   * A fetch into it leaves out files larger than this, where the server can: its trees name files that are
   * not there. Bytes.
   */
  readonly leavesOutBytes?: number;
  /**
   * What is written there can be made again, so nothing waits for the disk: after a power cut some of it may
   * be damaged.
   */
  readonly isDisposable?: boolean;
}

/** How a git process ended. A non-zero exit is a result; only a failed start is an error. */
export interface GitResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** The signal that ended it, if any: the system was out of memory, or somebody killed it. */
  readonly killedBy?: NodeJS.Signals | null;
}

/** Options for a single git process. */
export type GitRunOptions = Pick<RunOptions, 'input' | 'signal'>;

/** Runs git on a repository and waits for it. Throws BridgeError `no-git` where git cannot be started. */
export function runGit(
  repo: Repository,
  args: readonly string[],
  options: GitRunOptions = {},
): Promise<GitResult> {
  return spawnGit(argsOn(repo, args), repo.env, options);
}

/** For what nobody misses after a power cut. Whoever waits for the disk also makes all others wait. */
export const UNSYNCED: readonly string[] = ['-c', 'core.fsync=none'];

/** The arguments of a git that works on a repository as we mean it, whatever its user has set. */
export function argsOn(repo: Repository, args: readonly string[]): string[] {
  const unsynced = repo.isDisposable === true ? UNSYNCED : [];
  return [...PINNED_ARGS, ...unsynced, '--git-dir', repo.gitDir, ...args];
}

/** Runs git outside of any repository (`--version`, `init`). */
export function spawnGit(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: GitRunOptions = {},
): Promise<GitResult> {
  return runProgram(['git', ...args], { env, ...options }).then(asGitResult, throwStartError);
}

/** A killed git has exit code 128, like one that gives up by itself. */
export function asGitResult({ exitCode, stdout, stderr, killedBy }: ProgramResult): GitResult {
  return { exitCode: exitCode ?? 128, stdout, stderr, killedBy };
}

/**
 * Like runGit, for commands that must succeed. Returns stdout as text, or throws BridgeError as gitFailed
 * makes it.
 */
export async function gitText(
  repo: Repository,
  args: readonly string[],
  options: GitRunOptions = {},
): Promise<string> {
  const result = await runGit(repo, args, options);
  if (result.exitCode !== 0) throw gitFailed(args, result);
  return result.stdout.toString('utf8');
}

/**
 * The error for a git command that failed unexpectedly, with its name and the first words of git:
 * `git-killed` where it was killed and `disk-full` where it found no space, both `retryable`, because
 * nothing is wrong with the repository or the command; else `git-failed`.
 */
export function gitFailed(args: readonly string[], result: GitResult): BridgeError {
  const command = `git ${args[0] ?? ''}`;
  if (result.killedBy) {
    return new BridgeError(`${command} was ended by ${result.killedBy}`, {
      code: 'git-killed',
      remedy: 'run it again; if it happens again, see whether the machine runs out of memory',
      retryable: true,
    });
  }
  const said = firstWords(result.stderr);
  const message = `${command} failed with exit code ${result.exitCode}${said === '' ? '' : `: ${said}`}`;
  return gitMeant('disk-full', result.stderr)
    ? new BridgeError(message, {
        code: 'disk-full',
        remedy: 'free some space there, and try again',
        retryable: true,
      })
    : new BridgeError(message, {
        code: 'git-failed',
        remedy: 'look at the message of git above; "git fsck" in the repository tells whether it is sound',
      });
}

/** Throws the error of a git that did not start: `no-git` where there is none; any other error unchanged. */
export function throwStartError(error: NodeJS.ErrnoException): never {
  if (error.code !== 'ENOENT') throw error;
  throw new BridgeError('git was not found', {
    code: 'no-git',
    remedy: 'install git 2.39 or newer and make sure that it is in the PATH of this user',
    cause: error,
  });
}

/** How much of git's stderr is kept for an error; its first line gives the reason. */
const MAX_STDERR_CHARS = 4096;

/**
 * Runs git and yields its standard output as text while it comes, at the pace of the reader. Ends git where
 * the reader stops early. Throws at the end: BridgeError as gitFailed makes it where git failed, `no-git`
 * where it cannot be started.
 */
export async function* streamGit(repo: Repository, args: readonly string[]): AsyncGenerator<string> {
  const child = startProgram(['git', ...argsOn(repo, args)], { env: repo.env });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < MAX_STDERR_CHARS) stderr += text;
  });
  const ended = new Promise<Pick<GitResult, 'exitCode' | 'killedBy'>>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ exitCode: code ?? 128, killedBy: signal }));
  }).catch(throwStartError);
  // It is awaited below. A reader that stops before that must not leave an unhandled rejection.
  ended.catch(() => {});
  try {
    for await (const text of child.stdout.setEncoding('utf8')) yield text as string;
    const outcome = await ended;
    if (outcome.exitCode !== 0) throw gitFailed(args, { ...outcome, stdout: Buffer.alloc(0), stderr });
  } finally {
    child.kill();
  }
}
