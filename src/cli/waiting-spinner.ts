import yoctoSpinner from 'yocto-spinner';
import { shortId } from '../protocol/names.js';

/** Shows on a terminal that an answer is being waited for; elsewhere nothing. */
export function waitingSpinner(): { start(task: string): void; stop(): void } {
  if (!process.stderr.isTTY) return { start: () => {}, stop: () => {} };
  const spinner = yoctoSpinner({ stream: process.stderr });
  return {
    start: (task) => void spinner.start(`asked as ${shortId(task)}, waiting for the answer…`),
    stop: () => void spinner.stop(),
  };
}
