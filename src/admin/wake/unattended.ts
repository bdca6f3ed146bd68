import { attendanceOf } from '../../bridge/attendance.js';
import type { BridgeView } from '../../bridge/bridge-view.js';
import type { WhoWorks } from '../../bridge/side-refs.js';
import { LargeMessages } from '../../log/large-messages.js';
import { isStandby } from '../../protocol/presence.js';
import { readTasks, tasksContext } from '../read-tasks.js';
import type { TaskRow } from '../task-rows.js';
import { MAX_LOOKED_INTO } from '../task-waits.js';

/**
 * An agent that is there takes a task within seconds, also the next one after an answer. Where no task is
 * worked on, none was answered for this long and one has waited as long, the PC fell asleep without a word:
 * its presence still counts for minutes. Milliseconds.
 */
export const SILENT_MS = 30_000;

/** A task that waits, and the agents that could answer it, none of which is there. */
export interface UnattendedTask {
  readonly task: string;
  /** Those that have its model; of a task that any may answer, all that are known. */
  readonly agents: readonly string[];
}

/** What a waker has to know of a bridge. */
export interface Need {
  /** The first task that nobody is there for; null where there is none. */
  readonly unattended: UnattendedTask | null;
  /** All tasks that nobody has taken. */
  readonly pending: ReadonlySet<string>;
  /** When this may change without a ring, in milliseconds; null where it cannot. */
  readonly changesInMs: number | null;
}

/** Reads what waits on a bridge, and for whom. Throws as the view does. */
export async function readNeed(view: BridgeView, signal?: AbortSignal): Promise<Need> {
  const context = tasksContext(view, await view.whoWorks());
  // The file of a task says for whom it waits, and that of a task with a photo is not here yet.
  const large = new LargeMessages(view, signal === undefined ? {} : { signal });
  const { rows } = await readTasks(view.repo, context, { large, pending: MAX_LOOKED_INTO, expired: 0 });
  return needOf(rows, context);
}

/** The same for tasks that were read already. Pure. */
export function needOf(
  rows: readonly TaskRow[],
  context: { readonly who: WhoWorks; readonly nowMs: number; readonly takesClaims: boolean },
): Need {
  const waiting = rows.filter(({ state }) => state === 'pending');
  const pending = new Set(waiting.map(({ task }) => task));
  // Where an agent died, its claim runs out without a ring.
  const isAnyRunning = rows.some(({ state }) => state === 'running');
  if (waiting.length === 0)
    return { unattended: null, pending, changesInMs: isAnyRunning ? SILENT_MS : null };
  const { who, nowMs } = context;
  const attendance = attendanceOf(who, context);
  // Between two tasks of one who answers them nobody works, however long the second has waited.
  const answeredMs = lastAnswers(rows);
  const silentMs = ({ asked_at, waiting }: TaskRow) => {
    const able = waiting?.agents.map(({ name }) => name) ?? answeredMs.keys();
    const lastMs = [...able].map((name) => answeredMs.get(name) ?? 0);
    return nowMs - Math.max(Date.parse(asked_at), ...lastMs);
  };
  // A task that only a standby can answer is no reason to wake a PC.
  const isForStandby = ({ waiting }: TaskRow) => waiting?.agents.length === 0 && waiting.standby !== null;
  const isLeft = (row: TaskRow) => {
    if (isForStandby(row) && who.agents.some((one) => !isStandby(one))) return false;
    if (row.waits_for !== null || attendance.state === 'absent') return true;
    // Those that are there may not answer it.
    if (row.waiting?.agents.some(({ state }) => state === 'away')) return true;
    // A PC that works for another bridge is awake.
    if (row.waiting?.agents.some(({ state }) => state === 'busy')) return false;
    // An agent without a model server is awake: its owner has to look. Where agents do not say that they are
    // there, nobody is woken.
    return attendance.state === 'present' && who.running.size === 0 && silentMs(row) >= SILENT_MS;
  };
  // Not a whole SILENT_MS after each look: a look for another reason would put it off.
  const leftMs = SILENT_MS - Math.max(...waiting.map(silentMs));
  const changesInMs = leftMs > 0 ? leftMs : SILENT_MS;
  const row = waiting.find(isLeft);
  if (row === undefined) return { unattended: null, pending, changesInMs };
  const known = who.agents.filter((one) => !isStandby(one)).map(({ agent }) => agent);
  const agents = row.waits_for?.agents.map(({ name }) => name) ?? known;
  return { unattended: { task: row.task, agents }, pending, changesInMs };
}

/** When each agent has answered last, in milliseconds since the epoch. */
function lastAnswers(rows: readonly TaskRow[]): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  for (const { agent, answered_at } of rows) {
    if (agent === null || answered_at === null) continue;
    last.set(agent, Math.max(last.get(agent) ?? 0, Date.parse(answered_at)));
  }
  return last;
}
