import { type ProgramResult, runProgram } from '../../process/run-program.js';
import { errorText } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';

/** How many bytes of its output are read, from the end. */
const MAX_OUTPUT_BYTES = 8 * 1024;

/** How many characters of the output are kept as the reason of a failure. */
const MAX_ERROR_CHARS = 500;

/** How long an executable may take to end after it is told to. Milliseconds. */
const GRACE_MS = 5_000;

/**
 * How long to wait for output after it ended: the last output may come a moment later, and a child that it
 * left behind may hold the pipe open for ever. Milliseconds.
 */
const LAST_OUTPUT_MS = 200;

/**
 * The variables that it gets: enough for a shell, and for tools that look for their settings in the home
 * folder.
 */
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

/** How an executable is run. */
export interface RunExecutableOptions {
  /** The bridge, as an absolute path: the working folder, and LLM_BRIDGE_REPO. */
  readonly gitDir: string;
  /** The environment that its variables are taken from. */
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

/** Why a run is a failure. */
export interface FailedRun {
  /** How it ended, and the end of its output, on one line. */
  readonly reason: string;
  /** It said that it will never take this record. */
  readonly isFinal: boolean;
}

/** EX_DATAERR of sysexits.h: "the input data was incorrect in some way". */
const NEVER_EXIT = 65;

/**
 * Runs an executable with `input` on its standard input. Returns null where it ended with 0, even if it did
 * not read all input, else why it failed. An executable that takes too long is ended together with its whole
 * process group. Never throws.
 */
export async function runExecutable(
  file: string,
  input: string,
  options: RunExecutableOptions,
): Promise<FailedRun | null> {
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
    const text = excerpt(words === '' ? reason : `${reason}: ${words}`, MAX_ERROR_CHARS);
    return { reason: text, isFinal: result.exitCode === NEVER_EXIT && result.endedFor === null };
  } catch (error) {
    return { reason: excerpt(`could not be started (${errorText(error)})`, MAX_ERROR_CHARS), isFinal: false };
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
