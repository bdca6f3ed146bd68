import { spawn } from 'node:child_process';
import { stripControls } from '../protocol/printable.js';
import { type GitResult, type Repository, startError } from './run-git.js';

/** git removes its temporary files when it is told to end; what has not ended by then is killed. */
const GRACE_MS = 2_000;

/**
 * Runs a git command that talks to the other side (fetch, push). A non-zero exit is a result, as in runGit. git and the ssh
 * it starts are a process group of their own: an abort ends both at once, where git alone would leave behind an ssh that waits for
 * a dead network, and a Ctrl-C at the terminal reaches neither. Throws the signal's reason, or BridgeError `no-git`.
 */
export async function runRemoteGit(
  repo: Repository,
  args: readonly string[],
  options: {
    readonly signal?: AbortSignal | undefined;
    /** End git after so many milliseconds without a word from it. */
    readonly silenceMs?: number;
  } = {},
): Promise<GitResult> {
  const { signal, silenceMs } = options;
  signal?.throwIfAborted();
  const result = await new Promise<GitResult>((resolve, reject) => {
    const child = spawn('git', ['--git-dir', repo.gitDir, ...args], {
      env: repo.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      detached: GROUPS,
    });
    let killing: NodeJS.Timeout | undefined;
    const end = () => {
      endGroup(child.pid, 'SIGTERM');
      // A connection that is shared has been handed these pipes as well, and holds them for as long as it hangs.
      child.stdout.destroy();
      child.stderr.destroy();
      killing ??= setTimeout(() => endGroup(child.pid, 'SIGKILL'), GRACE_MS);
    };
    const silence = silenceMs === undefined ? undefined : setTimeout(end, silenceMs);
    signal?.addEventListener('abort', end, { once: true });
    const done = () => {
      clearTimeout(silence);
      clearTimeout(killing);
      signal?.removeEventListener('abort', end);
    };
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const hear = (chunks: Buffer[]) => (chunk: Buffer) => {
      chunks.push(chunk);
      silence?.refresh();
    };
    child.stdout.on('data', hear(stdout));
    child.stderr.on('data', hear(stderr));
    child.on('error', (error: NodeJS.ErrnoException) => {
      done();
      reject(startError(error));
    });
    child.on('close', (code) => {
      done();
      resolve({
        exitCode: code ?? 128,
        stdout: Buffer.concat(stdout),
        stderr: stripControls(Buffer.concat(stderr).toString('utf8')),
      });
    });
  });
  signal?.throwIfAborted();
  // git ended for its silence says nothing: the words are those of a connection that timed out, because that is what it was.
  return result.exitCode !== 0 && result.stderr === ''
    ? { ...result, stderr: 'Connection timed out: no word from the server' }
    : result;
}

/** Windows has no process groups; there git alone is ended. */
const GROUPS = process.platform !== 'win32';

function endGroup(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(GROUPS ? -pid : pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
