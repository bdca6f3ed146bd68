import { spawn } from 'node:child_process';
import { gitFailed, type Repository, startError } from './run-git.js';

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
