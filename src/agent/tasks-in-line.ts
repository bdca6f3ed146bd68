import type { AskedTask } from '../protocol/queue.js';
import type { TaskInLine } from './model-room.js';
import type { AgentContext } from './open-agent.js';

/**
 * How many free tasks are looked at: more than an agent has room for, even where most of them fall to
 * others.
 */
export const MAX_FRONT = 512;

/**
 * The first of the tasks that could be started, in their order, with those before them that are left to
 * other agents; and the first of the cancelled ones, wherever they stand. Bounded, because with fifty
 * thousand open tasks all of them would be looked through after each answer. `isRunning`: whether a task is
 * being answered here already. `enough`: so many that could be started are enough, and `cancelled` of the
 * others.
 */
export function frontOfLine(
  { session, claims, queue, gate }: AgentContext,
  isRunning: (id: string) => boolean,
  { enough, cancelled }: { readonly enough: number; readonly cancelled: number },
): Map<string, AskedTask> {
  const { goodAnswers } = session.queue;
  const front = new Map<string, AskedTask>();
  let free = 0;
  for (const task of enough > 0 ? session.eachUncancelled() : []) {
    if (isRunning(task.id) || !gate.mayTake(task.id)) continue;
    front.set(task.id, task);
    if (!claims.leaves(queue.modelFor(task.id, goodAnswers))) free += 1;
    if (free >= enough) break;
  }
  let ended = 0;
  for (const id of cancelled > 0 ? session.queue.cancelled.keys() : []) {
    const task = isRunning(id) ? null : session.openTask(id);
    if (task === null || !gate.mayTake(id)) continue;
    front.set(id, task);
    ended += 1;
    if (ended === cancelled) break;
  }
  return front;
}

/**
 * The pending tasks of this bridge up to the first MAX_FRONT that are free, with their waits by its server's
 * clock. One that `isRunning` is not free. Cancelled ones are left out: they wait for no model.
 */
export function tasksInLine(
  { session, queue, gate, claims }: AgentContext,
  isRunning: (id: string) => boolean,
): TaskInLine[] {
  const nowMs = session.serverNow();
  const line: TaskInLine[] = [];
  let free = 0;
  for (const { id, askedAtMs } of session.uncancelled) {
    const isFree = session.openTask(id) !== null && gate.mayTake(id) && !isRunning(id) && !claims.isLeft(id);
    line.push({ ...queue.turnOf(id), waitedMs: nowMs - askedAtMs, isFree });
    if (isFree) free += 1;
    if (free === MAX_FRONT) break;
  }
  return line;
}

/** Whether there is an open task that this agent answers, now or later. */
export function isAnyWanted({ session, claims, gate }: AgentContext): boolean {
  for (const { id } of session.eachOpen()) if (gate.mayEverTake(id) && !claims.isLeft(id)) return true;
  return false;
}
