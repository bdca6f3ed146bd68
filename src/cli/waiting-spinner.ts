import type { Spinner } from 'yocto-spinner';
import yoctoSpinner from 'yocto-spinner';
import { formatDuration } from '../protocol/duration.js';
import { shortId } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';

/** What is shown while an answer is waited for. */
export interface WaitingSpinner {
  /** False where nothing is shown. */
  readonly isShown: boolean;
  asked(task: string): void;
  claimed(agent: string): void;
  stop(): void;
}

/** Shows on a terminal what an answer is waiting for, and for how long; elsewhere nothing. */
export function waitingSpinner(): WaitingSpinner {
  const spinner = openSpinner();
  let timer: NodeJS.Timeout | null = null;
  let doing = '';
  let sinceMs = 0;
  const draw = () => {
    // Rounded, because a timer may come a moment early.
    const waitedMs = Math.round((performance.now() - sinceMs) / 1000) * 1000;
    if (spinner !== null)
      spinner.text = waitedMs === 0 ? `${doing}…` : `${doing}… ${formatDuration(waitedMs)}`;
  };
  const begin = (text: string) => {
    doing = text;
    sinceMs = performance.now();
  };
  let id = '';
  return {
    isShown: spinner !== null,
    asked(task) {
      id = shortId(task);
      begin(`asked as ${id}, waiting for an agent`);
      spinner?.start(`${doing}…`);
      if (spinner !== null) timer = setInterval(draw, 1000);
    },
    claimed(agent) {
      begin(`asked as ${id}, seen by ${oneLine(agent)}, generating`);
      if (spinner !== null) draw();
    },
    stop() {
      if (timer !== null) clearInterval(timer);
      spinner?.stop();
    },
  };
}

/**
 * Makes a spinner on stderr; null where stderr is no terminal that can redraw a line. Ctrl-C is left to the
 * command: by itself the spinner would end the process before the command has tidied up.
 */
export function openSpinner(): Spinner | null {
  const { TERM, CI } = process.env;
  if (!process.stderr.isTTY || TERM === 'dumb' || CI !== undefined) return null;
  const spinner = yoctoSpinner({ stream: process.stderr, handleSignals: false });
  // The cursor is shown again, however the process ends.
  process.once('exit', () => spinner.stop());
  return spinner;
}
