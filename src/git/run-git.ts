import { spawn } from 'node:child_process';
import { BridgeError } from '../protocol/bridge-error.js';

/** How long the ids of a repository are. */
export type ObjectIds = 'sha1' | 'sha256';

/** A repository and the environment git runs in for it. */
export interface Repository {
  /** The path of the git directory; `.` inside a hook, whose working directory it is. */
  readonly gitDir: string;
  readonly env: NodeJS.ProcessEnv;
  /**
   * Given for a repository of this user's that keeps its refs in files: its objects are written, and its refs read, without a git process
   * for each.
   */
  readonly ownIds?: ObjectIds;
  /** What is written so may be read by the group and by nobody else, whatever the umask: `core.sharedRepository=0640`. */
  readonly groupReads?: boolean;
}

/** What a git process ended as. A non-zero exit is a result; only a failed start is an error. */
export interface GitResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** The signal that ended it, where one did: the system was out of memory, or somebody killed it. */
  readonly killedBy?: NodeJS.Signals | null;
}

/** How a single git process is run. */
export interface GitRunOptions {
  /** Written to its standard input, which is empty otherwise. */
  readonly input?: Uint8Array | string;
  readonly signal?: AbortSignal | undefined;
}

/** Runs git on a repository and waits for it. Throws BridgeError `no-git` where git cannot be started. */
export function runGit(
  repo: Repository,
  args: readonly string[],
  options: GitRunOptions = {},
): Promise<GitResult> {
  return spawnGit(['--git-dir', repo.gitDir, ...args], repo.env, options);
}

/** Runs git outside of any repository (`--version`, `init`). */
export function spawnGit(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: GitRunOptions = {},
): Promise<GitResult> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', (error: NodeJS.ErrnoException) => reject(startError(error)));
    child.on('close', (code, signal) =>
      resolve({
        exitCode: code ?? (signal === null ? 1 : 128),
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString('utf8'),
        killedBy: signal,
      }),
    );
    // git may exit without reading all of it: its exit code tells then, not the broken pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

/** The same as runGit where only success is expected: stdout as text, or BridgeError `git-failed` (with what git said) or `git-killed`. */
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
 * The error for a git command that failed where it should not: its name, and the last line git said. One that was killed is `retryable`:
 * nothing is wrong with the repository or the command.
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
  const said = result.stderr.trim().split('\n').at(-1) ?? '';
  return new BridgeError(
    `${command} failed with exit code ${result.exitCode}${said === '' ? '' : `: ${said}`}`,
    {
      code: 'git-failed',
      remedy: 'look at the message of git above; "git fsck" in the repository tells whether it is sound',
    },
  );
}

/** The error for a git that did not start. */
export function startError(error: NodeJS.ErrnoException): Error {
  if (error.code !== 'ENOENT') return error;
  return new BridgeError('git was not found', {
    code: 'no-git',
    remedy: 'install git 2.39 or newer and make sure that it is in the PATH of this user',
    cause: error,
  });
}

/** How much of what git says on stderr is kept for an error; its last line is what tells. */
const MAX_STDERR_CHARS = 4096;

/**
 * Runs git and yields its standard output as text while it comes, at the pace of the reader. git is ended where the reader
 * stops early. Throws BridgeError `git-failed` or `git-killed` at the end where git failed, `no-git` where it cannot be started.
 */
export async function* streamGit(repo: Repository, args: readonly string[]): AsyncGenerator<string> {
  const child = spawn('git', ['--git-dir', repo.gitDir, ...args], {
    env: repo.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-MAX_STDERR_CHARS);
  });
  const ended = new Promise<{ exitCode: number; killedBy: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => reject(startError(error)));
    child.on('close', (code, signal) => resolve({ exitCode: code ?? 128, killedBy: signal }));
  });
  // It is awaited below; whoever stops reading before that must not leave a rejection nobody handles.
  ended.catch(() => {});
  try {
    for await (const text of child.stdout.setEncoding('utf8')) yield text as string;
    const outcome = await ended;
    if (outcome.exitCode !== 0) throw gitFailed(args, { ...outcome, stdout: Buffer.alloc(0), stderr });
  } finally {
    child.kill();
  }
}
