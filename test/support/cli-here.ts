import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { Output } from '../../src/cli/output.js';
import { printError } from '../../src/cli/print-error.js';
import { runCli } from '../../src/cli/run-cli.js';
import type { RunResult } from './run-process.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

let isRunning = false;

/** How the command line is run here. */
export interface CliHereOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** A file or device to write to. Default: what a pipe is to the program, and its text is in the result. */
  readonly stdout?: string;
}

/**
 * Runs the command line of `src` in this process, as main.ts does in one of its own, without the start of
 * node that takes most of the time. For what a command says and does. Not for one that reads standard input,
 * or that needs what is built (init, doctor, demo). One at a time.
 */
export async function runCliHere(args: readonly string[], options: CliHereOptions): Promise<RunResult> {
  const pipe = new Collected();
  const fd = options.stdout === undefined ? null : openSync(options.stdout, 'w');
  const file = { fd, isTTY: false, on: () => file } as unknown as typeof process.stdout;
  let stderr = '';
  const { write } = process.stderr;
  const cwd = process.cwd();
  const before = SIGNALS.map((signal) => process.listeners(signal));
  if (isRunning) throw new Error(`one at a time: ${args.join(' ')}`);
  isRunning = true;
  process.chdir(options.cwd ?? cwd);
  process.stderr.write = (text: unknown) => {
    stderr += String(text);
    return true;
  };
  try {
    const out = new Output(fd === null ? (pipe as unknown as typeof process.stdout) : file);
    const exitCode = await runCli(args, { out, env: options.env }).catch(printError);
    return { exitCode, stdout: pipe.text, stderr };
  } finally {
    process.stderr.write = write;
    // A command listens for Ctrl-C to its own end, which is that of its process.
    SIGNALS.forEach((signal, at) => {
      for (const listener of process.listeners(signal))
        if (!before[at]?.includes(listener)) process.off(signal, listener);
    });
    process.chdir(cwd);
    isRunning = false;
    pipe.destroy();
    if (fd !== null) closeSync(fd);
  }
}

/** The end of a pipe that is always read at once. */
class Collected extends Socket {
  text = '';

  override write(text: unknown, ...rest: unknown[]): boolean {
    this.text += String(text);
    const done = rest.at(-1);
    if (typeof done === 'function') done();
    return true;
  }
}
