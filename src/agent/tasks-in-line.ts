import type { AskedTask } from '../protocol/queue.js';
import type { TaskInLine } from './model-room.js';
import type { AgentContext } from './open-agent.js';
import type { OpenLine } from './open-line.js';

/**
 * How many free tasks are looked at: more than an agent has room for, even where most of them fall to
 * others.
 */
export const MAX_FRONT = 512;

/**
 * The first of the tasks that could be started, in their order, and the first of the cancelled ones.
 * Bounded, because with fifty thousand open tasks all of them would be looked through after each answer: at
 * most `enough`, and `cancelled` of the cancelled ones. `isRunning`: whether a task is being answered here
 * already.
 */
export function frontOfLine(
  { session, gate }: Pick<AgentContext, 'session' | 'gate'>,
  line: OpenLine,
  isRunning: (id: string) => boolean,
  { enough, cancelled }: { readonly enough: number; readonly cancelled: number },
): Map<string, AskedTask> {
  const front = new Map<string, AskedTask>();
  const isFree = (id: string) => session.isOpen(id) && !isRunning(id) && gate.mayTake(id);
  for (const task of line.ours(isRunning)) {
    if (front.size >= enough) break;
    if (isFree(task.id)) front.set(task.id, task);
  }
  let ended = 0;
  for (const id of session.queue.cancelled.keys()) {
    if (ended >= cancelled) break;
    const task = isFree(id) ? session.openTask(id) : null;
    if (task === null) continue;
    front.set(id, task);
    ended += 1;
  }
  return front;
}

/**
 * The pending tasks of this bridge that fall to this agent, up to the first MAX_FRONT that are free, with
 * their waits by its server's clock. One that `isRunning` is not free. Cancelled ones are left out: they
 * wait for no model.
 */
export function tasksInLine(
  { session, queue, gate }: Pick<AgentContext, 'session' | 'queue' | 'gate'>,
  ours: OpenLine,
  isRunning: (id: string) => boolean,
): TaskInLine[] {
  const nowMs = session.serverNow();
  const line: TaskInLine[] = [];
  let free = 0;
  for (const { id, askedAtMs } of ours.ours(isRunning)) {
    const isFree = session.openTask(id) !== null && gate.mayTake(id) && !isRunning(id);
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
