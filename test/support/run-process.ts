import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { stopProcessTree } from '../../src/process/stop-process-tree.js';

/** Generous: a hanging program fails its test, with its output. */
const DEFAULT_TIMEOUT_MS = 150_000;

/** Options for a program that runs to its end. */
export interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string | undefined;
  /** Its standard input; empty by default. */
  readonly input?: string | Uint8Array | undefined;
  /**
   * In a session of its own, as sshd starts what a client asked for. `timeout`, which ssh-command becomes,
   * makes a process group of its own; where it leaves children in ours, its end makes ours a newly orphaned
   * one, and where a test has stopped any process in that moment, the kernel sends SIGHUP to us all.
   */
  readonly ownSession?: boolean;
  /** Default 150 s. */
  readonly timeoutMs?: number | undefined;
  /** What it is given from descriptor 3 on; then whoever started it takes its end of each pipe. */
  readonly more?:
    | {
        readonly stdio: readonly ('pipe' | 'ignore')[];
        readonly take: (child: ChildProcess) => void;
      }
    | undefined;
}

/** The result of a program. */
export interface RunResult {
  /** 128 plus the number of the signal where one ended it, as in a shell. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program and waits until it has ended and its output was read. A non-zero exit is a result. Throws
 * where it cannot be started, and where it takes too long; then it is ended with all its children.
 */
export function runProcess(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: options.env,
      cwd: options.cwd,
      stdio: ['pipe', 'pipe', 'pipe', ...(options.more?.stdio ?? [])],
      windowsHide: true,
      detached: options.ownSession ?? false,
    }) as ChildProcessWithoutNullStreams;
    options.more?.take(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    let tookTooLong = false;
    const timer = setTimeout(() => {
      tookTooLong = true;
      const message = `${[file, ...args].join(' ')} did not end within ${timeoutMs} ms\nstdout:\n${stdout}\nstderr:\n${stderr}`;
      stopProcessTree(child).then(() => reject(new Error(message)), reject);
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (!tookTooLong) resolve({ exitCode: exitCodeOf(code, signal), stdout, stderr });
    });
    // A program may end without reading its input. Then its exit code counts, not the broken pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}
