import yoctoSpinner, { type Spinner } from 'yocto-spinner';

/**
 * A spinner on stderr, or null where that is no terminal that can redraw a line. It leaves Ctrl-C to whoever waits: by itself it
 * would end the process before anything is said or tidied up.
 */
export function openSpinner(): Spinner | null {
  const { TERM, CI } = process.env;
  if (!process.stderr.isTTY || TERM === 'dumb' || CI !== undefined) return null;
  const spinner = yoctoSpinner({ stream: process.stderr, handleSignals: false });
  // Whichever way the process ends, the cursor is shown again.
  process.once('exit', () => spinner.stop());
  return spinner;
}
