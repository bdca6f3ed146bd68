import { spawn } from 'node:child_process';
import { stopProcessTree } from '../../src/process/stop-process-tree.js';
import { cleanEnv } from './clean-env.js';
import { onCleanup } from './on-cleanup.js';
import { programUnderTest } from './program-under-test.js';
import { type RunOptions, type RunResult, runProcess } from './run-process.js';
import { tempDir } from './temp-dir.js';

/** Generous: a line that never comes fails the test, with the output that came instead. */
const DEFAULT_WAIT_MS = 120_000;

/** How the program is run. Without `env`: a clean one, with a new home folder. */
export type CliOptions = Partial<RunOptions>;

/** A running `llm-bridge`. */
export interface RunningCli {
  readonly pid: number;
  /** All output so far. */
  stdout(): string;
  stderr(): string;
  /**
   * The first match in all output, past and future. Rejects, with that output, where the program ends first
   * or after `timeoutMs` (default 120 s).
   */
  waitFor(stream: 'stdout' | 'stderr', pattern: RegExp, timeoutMs?: number): Promise<RegExpMatchArray>;
  /** Sends a signal to the program itself. */
  signal(name: NodeJS.Signals): void;
  /** Resolves when the program has ended and all its output was read. Never rejects. */
  readonly exited: Promise<{ readonly exitCode: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** Runs the built program to its end: `node dist/cli/main.js`, or what `LLM_BRIDGE_TEST_BIN` names. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<RunResult> {
  const [file, ...first] = programUnderTest();
  return runProcess(file, [...first, ...args], { ...options, env: options.env ?? cleanEnv(await tempDir()) });
}

/**
 * Starts the built program, for the commands that do not end by themselves. It is stopped after the test,
 * with all its children. `under`: a command that becomes the program, such as `unshare -Ur`.
 */
export async function startCli(
  args: readonly string[],
  options: Omit<CliOptions, 'timeoutMs'> & { readonly under?: readonly string[] } = {},
): Promise<RunningCli> {
  const [file = '', ...first] = [...(options.under ?? []), ...programUnderTest()];
  const child = spawn(file, [...first, ...args], {
    env: options.env ?? cleanEnv(await tempDir()),
    cwd: options.cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of [...listeners]) listener();
  };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
      tell();
    });
  }
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');

  let ended = false;
  const exited: RunningCli['exited'] = new Promise((resolve) => {
    child.once('close', (exitCode, signal) => {
      ended = true;
      resolve({ exitCode, signal });
      tell();
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve).once('error', reject);
  });
  const pid = child.pid ?? Number.NaN;
  onCleanup(() => stopProcessTree(child));

  const waitFor: RunningCli['waitFor'] = (stream, pattern, timeoutMs = DEFAULT_WAIT_MS) =>
    new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        settle();
        const command = ['llm-bridge', ...args].join(' ');
        reject(
          new Error(
            `no ${pattern} on ${stream} of "${command}": ${why}\nstdout:\n${said.stdout}\nstderr:\n${said.stderr}`,
          ),
        );
      };
      const look = (): void => {
        const match = said[stream].match(pattern);
        if (match !== null) {
          settle();
          resolve(match);
        } else if (ended) fail('it has ended');
      };
      const timer = setTimeout(() => fail(`not within ${timeoutMs} ms`), timeoutMs);
      const settle = (): void => {
        clearTimeout(timer);
        listeners.delete(look);
      };
      listeners.add(look);
      look();
    });

  return {
    pid,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    waitFor,
    signal: (name) => {
      child.kill(name);
    },
    exited,
  };
}
