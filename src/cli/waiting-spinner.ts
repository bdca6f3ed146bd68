import { formatDuration } from '../protocol/duration.js';
import { shortId } from '../protocol/names.js';
import { openSpinner } from './spinner.js';

/** Shows on a terminal that an answer is being waited for, and for how long; elsewhere nothing. */
export function waitingSpinner(): { start(task: string): void; stop(): void } {
  const spinner = openSpinner();
  let timer: NodeJS.Timeout | null = null;
  return {
    start(task) {
      if (spinner === null) return;
      const startedMs = performance.now();
      const draw = () => {
        const waited = formatDuration(Math.floor((performance.now() - startedMs) / 1000) * 1000);
        spinner.text = `asked as ${shortId(task)}, waiting for the answer… ${waited}`;
      };
      spinner.start(`asked as ${shortId(task)}, waiting for the answer…`);
      timer = setInterval(draw, 1000);
    },
    stop() {
      if (timer !== null) clearInterval(timer);
      spinner?.stop();
    },
  };
}
