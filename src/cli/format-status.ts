import pc from 'picocolors';
import type { BridgeStatus } from '../admin/bridge-status.js';
import { formatDuration } from '../protocol/duration.js';
import { shortId } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';

/** The status as a person reads it. */
export function formatStatus(status: BridgeStatus): string {
  const counts = [
    `${status.pending.length} pending`,
    `${status.answered} answered`,
    `${status.expired} expired`,
    ...(status.log_records === null ? [] : [`${status.log_records} in answers.log`]),
  ];
  const last = status.last_answer;
  const lines = [
    pc.bold(status.repo),
    `  ${counts.join(', ')} (the last ${formatDuration(status.task_ttl_ms)})`,
    ...(last === null ? [] : [`  last: ${oneLine(last.subject)}, by ${oneLine(last.agent)} at ${last.at}`]),
    ...(status.stale_locks ?? []).map(
      (lock) => `  ${pc.red('left by a killed git')} since ${lock.since}: ${lock.path}`,
    ),
    ...status.pending.map(
      (task) =>
        `  ${pc.yellow(shortId(task.task))} ${formatDuration(task.age_ms).padStart(7)}  ${oneLine(task.asker)}: ${oneLine(task.subject)}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
