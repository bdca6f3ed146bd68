import { type KeptOutput, runProgram } from '../process/run-program.js';
import { stripControls } from '../protocol/printable.js';
import { argsOn, asGitResult, type GitResult, type Repository, throwStartError } from './run-git.js';

/**
 * git is stopped after three minutes without output. ssh's own keep-alive notices a dead network in 40 s.
 * This limit is for what ssh does not see, and it is longer than any push of a megabyte stays silent.
 */
const SILENCE_MS = 180_000;

/**
 * More than all the refs of a bridge take. The other side may send anything, and it must not fill our
 * memory.
 */
const OUTPUT: KeptOutput = { maxBytes: 16 * 1024 * 1024 };

/**
 * Runs a git command that talks to the other side (fetch, push, ls-remote). A non-zero exit is a result, as
 * in runGit. git and its ssh run in a process group of their own. So an abort ends both: git alone would
 * leave behind an ssh that waits for a dead network. And a Ctrl-C at the terminal reaches neither. Throws
 * the signal's reason, or BridgeError `no-git`.
 */
export async function runRemoteGit(
  repo: Repository,
  args: readonly string[],
  signal?: AbortSignal,
  silenceMs = SILENCE_MS,
): Promise<GitResult> {
  const command = ['git', ...argsOn(repo, args)] as const;
  const options = { env: repo.env, output: OUTPUT, silenceMs, signal };
  const result = await runProgram(command, options).catch(throwStartError);
  // git does not say why it was ended. We add the words of a timed-out connection, because that is what it
  // was.
  const stderr =
    result.endedFor === 'silence'
      ? `${result.stderr}\nConnection timed out: no word from the server`
      : result.stderr;
  return asGitResult({ ...result, stderr: stripControls(stderr) });
}
