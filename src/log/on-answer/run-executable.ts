import { type ProgramResult, runProgram } from '../../process/run-program.js';
import { errorText } from '../../protocol/bridge-error.js';
import { excerpt, oneLine } from '../../protocol/printable.js';

/** So much of what it says is looked at; the end of it. Bytes. */
const MAX_OUTPUT_BYTES = 8 * 1024;

/** How much of that is kept as the reason of a failure. Characters. */
const MAX_ERROR_CHARS = 500;

/** How long one that takes too long may take to end once it is told to. Milliseconds. */
const GRACE_MS = 5_000;

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
 * Runs an executable with `input` on its standard input. Answers null where it ended with 0, whether it read all of that
 * or not; else the reason on one line: how it ended, and the end of what it said. One that takes too long is ended with
 * everything in its process group. Never throws.
 */
export async function runExecutable(
  file: string,
  input: string,
  options: RunExecutableOptions,
): Promise<string | null> {
  try {
    const result = await runProgram([file], {
      input,
      env: environmentOf(options),
      cwd: options.gitDir,
      timeoutMs: options.timeoutMs,
      graceMs: GRACE_MS,
      lastOutputMs: LAST_OUTPUT_MS,
      output: { maxBytes: MAX_OUTPUT_BYTES, keep: 'last', merged: true },
    });
    const reason = reasonOf(result, options.timeoutMs);
    const words = oneLine(result.stdout.toString('utf8'));
    if (reason === null) return null;
    return excerpt(words === '' ? reason : `${reason}: ${words}`, MAX_ERROR_CHARS);
  } catch (error) {
    return excerpt(`could not be started (${errorText(error)})`, MAX_ERROR_CHARS);
  }
}

function reasonOf({ exitCode, killedBy, endedFor }: ProgramResult, timeoutMs: number): string | null {
  if (endedFor !== null) return `took longer than ${timeoutMs / 1000} s`;
  if (exitCode === null) return `ended by ${killedBy}`;
  return exitCode === 0 ? null : `exit code ${exitCode}`;
}

function environmentOf({ env, gitDir }: RunExecutableOptions): NodeJS.ProcessEnv {
  const kept = KEPT_VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return { ...Object.fromEntries(kept), LLM_BRIDGE_REPO: gitDir };
}
