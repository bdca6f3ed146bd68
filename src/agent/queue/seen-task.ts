import { type WantedModel, wantedModelOf } from '../../bridge/wanted-model.js';
import { type AskedTask, equalTaskKey } from '../../protocol/queue.js';
import { priorityOf, sourceOf, type TaskJson } from '../../protocol/task.js';
import type { TaskContent } from './read-task.js';

/** The fields of a task that may forbid it to an agent. */
export type TaskLimits = Pick<TaskJson, 'backend' | 'local_only'>;

/** What has to be known of a pending task before its turn. */
export interface SeenTask {
  readonly priority: number;
  /** The source by which tasks take turns (`sourceOf`). */
  readonly source: string;
  readonly wanted: WantedModel | null;
  readonly limits: TaskLimits;
  /** The same for equal tasks (`equalTaskKey`). */
  readonly key: string;
  /** When it was first seen. Milliseconds of a clock that never jumps. */
  readonly seenMs: number;
}

/** Of a task of which nothing is known. */
export const PLAIN_TASK: Omit<SeenTask, 'seenMs'> = {
  priority: 0,
  source: '',
  wanted: null,
  limits: {},
  key: '',
};

/** Of a task.txt, which has no fields. */
export function plainTask({ asker }: AskedTask): SeenTask {
  return { ...PLAIN_TASK, source: sourceOf(asker, null), seenMs: performance.now() };
}

/** Of a task.json as it was read. */
export function seenTask(asked: AskedTask, { hash, task }: TaskContent): SeenTask {
  // What is not a valid task is answered with an error, in its turn, by any agent.
  if (task === null) return plainTask(asked);
  return {
    priority: priorityOf(task),
    source: sourceOf(asked.asker, task),
    wanted: wantedModelOf(task),
    limits: { backend: task.backend, local_only: task.local_only },
    key: equalTaskKey(asked.file, hash),
    seenMs: performance.now(),
  };
}
