import pc from 'picocolors';
import { listTasks } from '../../admin/list-tasks.js';
import type { TaskRow } from '../../admin/task-rows.js';
import type { TaskState } from '../../admin/task-state.js';
import { formatAge } from '../../protocol/duration.js';
import { shortId } from '../../protocol/names.js';
import { oneLine } from '../../protocol/printable.js';
import { defineCommand } from '../command.js';
import { formatWaiting, formatWork } from '../format-work.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS } from '../options.js';
import { EXIT } from '../print-error.js';

/** A person reads no more of those that wait. Programs, and a person who names a state, get all. */
const SHOWN_PENDING = 200;

/** `llm-bridge list --repo R` */
export const listCommand = defineCommand({
  options: [
    OPTIONS.repo,
    OPTIONS.newestOver,
    OPTIONS.state,
    worded(OPTIONS.json, 'One line of JSON a task'),
    ...SSH_OPTIONS,
  ],
  examples: [
    ['$0 list --repo /srv/llm-bridge/bridge.git', 'the first 200 that wait, and the last 20 that do not'],
    ['$0 list --state pending --json --repo /srv/llm-bridge/bridge.git', 'for programs'],
  ],
  async run(args, { out, env }) {
    const { state, json: isJson, number: over } = args;
    const pending = isJson || state !== undefined ? Number.POSITIVE_INFINITY : SHOWN_PENDING;
    const { rows, more, nowMs } = await listTasks(accessOf(args, env), { state, pending, over });
    for (const row of rows) await (isJson ? out.json(row) : out.print(formatTaskRow(row, nowMs)));
    if (more > 0) await out.print(`… and ${more} more wait: list --state pending shows all`);
    return EXIT.done;
  },
});

const COLOURS: Readonly<Record<TaskState, (text: string) => string>> = {
  pending: pc.yellow,
  running: pc.cyan,
  done: pc.green,
  error: pc.red,
  cancelled: pc.dim,
  expired: pc.dim,
};

function placeInLine(place: number): string {
  return place === 1 ? 'next' : `${place - 1} before it`;
}

/**
 * A task on one line: `3f2a1b9c  done      12 s ago  bot: 2+2  →  4 (llama3.2 via ollama, 812 ms), by
 * home-pc`.
 */
function formatTaskRow(row: TaskRow, nowMs: number): string {
  const age = `${formatAge(Math.max(0, nowMs - Date.parse(row.asked_at)))} ago`;
  const outcome = [
    ...(row.place === null || row.waits_for !== null ? [] : [placeInLine(row.place)]),
    ...[formatWaiting(row, nowMs)].filter((text) => text !== ''),
    ...(row.answer === null ? [] : [oneLine(row.answer)]),
    ...(row.agent === null
      ? []
      : [formatWork({ model: null, since: null, phase: null, ...row.work, agent: row.agent }, nowMs)]),
  ].join(', ');
  const head = `${shortId(row.task)}  ${COLOURS[row.state](row.state.padEnd(9))}  ${age.padStart(10)}`;
  const question = `${oneLine(row.asker)}: ${oneLine(row.question)}`;
  return `${head}  ${question}${outcome === '' ? '' : `  →  ${outcome}`}`;
}
