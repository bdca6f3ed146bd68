import { hidePasswords } from '../process/hide-passwords.js';
import { BridgeError, errorText } from '../protocol/bridge-error.js';
import { joinLines, stripControls } from '../protocol/printable.js';

/**
 * Exit codes, a contract: done, failed, wrong use, no answer yet (EX_TEMPFAIL of sysexits.h), and what a
 * shell says of a program whose reader went away (128 and the number of SIGPIPE).
 */
export const EXIT = { done: 0, failed: 1, usage: 2, noAnswerYet: 75, outputClosed: 141 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * Prints the two lines that a person gets for an error, and returns the exit code. A reader that went away
 * (`| head -1`) is no error.
 */
export function printError(error: unknown): ExitCode {
  if (error instanceof BridgeError) {
    if (error.code === 'output-closed') return EXIT.outputClosed;
    printProblem(error.message, error.remedy);
    return error.code === 'usage' ? EXIT.usage : EXIT.failed;
  }
  // Node's own calls wrap the reason of an abort.
  if (error instanceof Error && error.name === 'AbortError' && error.cause instanceof BridgeError) {
    return printError(error.cause);
  }
  printProblem(
    `unexpected: ${errorText(error)}`,
    'set LLM_BRIDGE_DEBUG=1 and run it again; please report what it shows, this is a fault of llm-bridge',
  );
  if (process.env.LLM_BRIDGE_DEBUG && error instanceof Error)
    process.stderr.write(`${hidePasswords(error.stack ?? '')}\n`);
  return EXIT.failed;
}

/** `error:` what happened, `try:` what to do; each on one line, without control characters and passwords. */
export function printProblem(message: string, remedy: string): void {
  process.stderr.write(`error: ${line(message)}\ntry: ${line(remedy)}\n`);
}

/** The same for something that succeeded nevertheless: `warning:` and `try:`. */
export function printWarning(message: string, remedy: string): void {
  process.stderr.write(`warning: ${line(message)}\ntry: ${line(remedy)}\n`);
}

/** Says on stderr, in a line, what is no part of the output: what others said may be in it. */
export function printNote(text: string): void {
  process.stderr.write(`${line(text)}\n`);
}

function line(text: string): string {
  return hidePasswords(joinLines(stripControls(text)));
}
