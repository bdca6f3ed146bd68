import pc from 'picocolors';
import type { TaskRow, TaskState } from '../admin/list-tasks.js';
import { formatDuration } from '../protocol/duration.js';
import { shortId } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';

const COLOURS: Readonly<Record<TaskState, (text: string) => string>> = {
  pending: pc.yellow,
  running: pc.cyan,
  done: pc.green,
  error: pc.red,
  cancelled: pc.dim,
  expired: pc.dim,
};

/** A task on one line: `3f2a1b9c  done      12 s ago  bot: 2+2  →  4 (llama3.2 via ollama, 812 ms), by home-pc`. */
export function formatTaskRow(row: TaskRow, nowMs: number): string {
  const age = `${formatDuration(Math.max(0, nowMs - Date.parse(row.asked_at)))} ago`;
  const by = row.agent === null ? '' : `by ${oneLine(row.agent)}`;
  const outcome = [...(row.answer === null ? [] : [oneLine(row.answer)]), ...(by === '' ? [] : [by])].join(
    ', ',
  );
  const head = `${shortId(row.task)}  ${COLOURS[row.state](row.state.padEnd(9))}  ${age.padStart(10)}`;
  const question = `${oneLine(row.asker)}: ${oneLine(row.question)}`;
  return `${head}  ${question}${outcome === '' ? '' : `  →  ${outcome}`}\n`;
}
