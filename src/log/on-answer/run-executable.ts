import { spawn } from 'node:child_process';
import { excerpt, oneLine } from '../../protocol/printable.js';

/** So much of what it says is looked at; the end of it. Bytes. */
const MAX_OUTPUT_BYTES = 8 * 1024;

/** How much of that is kept as the reason of a failure. Characters. */
const MAX_ERROR_CHARS = 500;

/** Between asking one that takes too long to end, and ending it. Milliseconds. */
const KILL_AFTER_MS = 5_000;

/** What it has said may arrive a moment behind its end; a child that it left behind may hold its output open for ever. Milliseconds. */
const LAST_OUTPUT_MS = 200;

/** What it is given of the environment: enough for a shell and for tools that look for their settings in the home folder. */
const KEPT_VARIABLES = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
];

/** How it is run. */
export interface RunExecutableOptions {
  /** The bridge, absolute: its working folder, and LLM_BRIDGE_REPO. */
  readonly gitDir: string;
  /** What its environment is taken from. */
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

/**
 * Runs an executable with `input` on its standard input. Answers null where it ended with 0, whether it read all of that or
 * not; else the reason: how it ended and the end of what it said, on one line. One that takes too long is ended with everything in its
 * process group. Never throws.
 */
export function runExecutable(
  file: string,
  input: string,
  options: RunExecutableOptions,
): Promise<string | null> {
  return new Promise((resolve) => {
    let said = Buffer.alloc(0);
    let isOverdue = false;
    const child = spawn(file, [], {
      cwd: options.gitDir,
      env: environmentOf(options),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own, so that its children can be ended along with it.
      detached: true,
    });
    const end = (signal: NodeJS.Signals) => endGroup(child.pid, signal);
    const asking = setTimeout(() => {
      isOverdue = true;
      end('SIGTERM');
    }, options.timeoutMs);
    const ending = setTimeout(() => end('SIGKILL'), options.timeoutMs + KILL_AFTER_MS);
    const settle = (outcome: string | null) => {
      clearTimeout(asking);
      clearTimeout(ending);
      for (const stream of child.stdio) stream?.destroy();
      const words = oneLine(said.toString('utf8'));
      resolve(
        outcome === null ? null : excerpt(words === '' ? outcome : `${outcome}: ${words}`, MAX_ERROR_CHARS),
      );
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said = Buffer.concat([said, chunk]).subarray(-MAX_OUTPUT_BYTES);
      });
    }
    child.on('error', (error) => settle(`could not be started (${error.message})`));
    child.on('exit', (code, signal) => {
      // Whatever of its group outlives it would go on beside the next run.
      if (isOverdue) end('SIGKILL');
      const outcome = isOverdue
        ? `took longer than ${options.timeoutMs / 1000} s`
        : code === 0
          ? null
          : code === null
            ? `ended by ${signal}`
            : `exit code ${code}`;
      const late = setTimeout(() => settle(outcome), LAST_OUTPUT_MS);
      child.once('close', () => {
        clearTimeout(late);
        settle(outcome);
      });
    });
    // It may end without reading; its exit code tells, not the broken pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

function environmentOf({ env, gitDir }: RunExecutableOptions): NodeJS.ProcessEnv {
  const kept = KEPT_VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return { ...Object.fromEntries(kept), LLM_BRIDGE_REPO: gitDir };
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}
