import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import type { HistoryCommit } from '../protocol/history.js';
import { isPresent } from '../protocol/presence.js';
import { inOrderOfAnswering } from '../protocol/queue.js';
import { modelOf, priorityOf, sourceOf } from '../protocol/task.js';
import { modelDurations } from './model-durations.js';
import { readAskedTask } from './read-asked-task.js';
import type { WhoWorks } from './side-refs.js';
import type { SameModel } from './wanted-model.js';

/** With more open tasks than this no places are told, because each task is read from its blob. */
export const MAX_PLACED = 1000;

/** The open tasks of a bridge, and what is known of the bridge. */
export interface OpenTasks {
  /** All that have no answer, in the order of asking. */
  readonly open: readonly HistoryCommit[];
  /** Those of them that nobody has begun. */
  readonly pending: ReadonlySet<string>;
  /** History as far back as is known, for how long models take. */
  readonly commits: readonly HistoryCommit[];
  readonly who: WhoWorks;
  readonly sameModel: SameModel;
  readonly nowMs: number;
}

/** Where an open task stands. */
export interface Place {
  /** 1 for the one that is answered next; null for one that somebody has begun. */
  readonly place: number | null;
  /** How long until it is answered, about, milliseconds; null where nothing says that. */
  readonly aboutMs: number | null;
  /** How long its model usually takes, from the beginning, milliseconds; null where nothing says that. */
  readonly usualMs: number | null;
}

/**
 * The place in line of each open task, in the order that agents keep, and about how long it takes. Empty
 * where there are too many to look into.
 */
export async function readPlaces(repo: Repository, tasks: OpenTasks): Promise<ReadonlyMap<string, Place>> {
  const { open, pending, commits, who, sameModel, nowMs } = tasks;
  if (open.length === 0 || open.length > MAX_PLACED) return new Map();
  const durations = modelDurations(commits, sameModel);
  const reader = openObjectReader(repo);
  try {
    const waiting = await Promise.all(
      open.map(async (commit) => {
        const task = await readAskedTask(reader, commit);
        const model = task === null ? undefined : modelOf(task);
        return {
          ...{ id: commit.id, source: sourceOf(commit.author, task), askedAtMs: commit.committedAtMs },
          priority: task === null ? 0 : priorityOf(task),
          usualMs: durations.usualMs(who.running.get(commit.id)?.model ?? model ?? null),
        };
      }),
    );
    const order = inOrderOfAnswering(waiting, (one) => one, nowMs);
    const running = order
      .filter(({ id }) => !pending.has(id))
      .map((one) => {
        const sinceMs = who.running.get(one.id)?.sinceMs ?? null;
        return { ...one, doneMs: sinceMs === null ? 0 : Math.max(0, nowMs - sinceMs) };
      });
    const line = order.filter(({ id }) => pending.has(id));
    const parallel = who.agents
      .filter((one) => isPresent(one, nowMs) && one.backends.length > 0)
      .reduce((sum, one) => sum + one.parallel, 0);
    const { begun, next } = expectedWaits(running, line, parallel);
    return new Map<string, Place>([
      ...running.map(({ id, usualMs }, at) => {
        return [id, { place: null, aboutMs: begun[at] ?? null, usualMs }] as const;
      }),
      ...line.map(({ id, usualMs }, at) => {
        return [id, { place: at + 1, aboutMs: next[at] ?? null, usualMs }] as const;
      }),
    ]);
  } finally {
    reader.close();
  }
}

/**
 * About how long it takes until each task is answered, those that are begun and those in line. `parallel`
 * tasks are answered at once, and each takes as long as usual. Null for a task whose own time is unknown; in
 * line also where the time of one in front of it is unknown. Milliseconds.
 */
export function expectedWaits(
  running: readonly { readonly usualMs: number | null; readonly doneMs: number }[],
  line: readonly { readonly usualMs: number | null }[],
  parallel: number,
): { readonly begun: readonly (number | null)[]; readonly next: readonly (number | null)[] } {
  const begun = running.map(({ usualMs, doneMs }) =>
    usualMs === null ? null : Math.max(0, usualMs - doneMs),
  );
  let isKnown = parallel > 0 && !begun.includes(null);
  // When each of the parallel places is free for the next task.
  const free = [...begun, ...Array<number>(Math.max(0, parallel - begun.length)).fill(0)].map(
    (ms) => ms ?? 0,
  );
  const next = line.map(({ usualMs }) => {
    isKnown &&= usualMs !== null;
    if (!isKnown || usualMs === null) return null;
    const soonest = free.indexOf(Math.min(...free));
    const untilMs = (free[soonest] ?? 0) + usualMs;
    free[soonest] = untilMs;
    return untilMs;
  });
  return { begun, next };
}
