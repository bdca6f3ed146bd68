import type { Job } from './job.js';
import type { UnpushedAnswers } from './unpushed-answers.js';

/** With more answers than this still to be kept, no task is started: a crash must not cost more. */
const MAX_KEEPING = 32;

/** The most tasks that are claimed before there is room: one push takes them and those that have room. */
const MAX_AHEAD = 24;

/**
 * The most cancelled tasks that are answered at the same time. They need no model, so nothing else bounds
 * them where a batch of ten thousand is cancelled, and the answers of models are to be kept meanwhile.
 */
const MAX_CANCELLED = MAX_KEEPING / 2;

/** How many more tasks may be started, by what each takes. */
export interface StartLimits {
  /** Those that go to a model. */
  readonly room: number;
  /** Those that are claimed before a model has room for them. */
  readonly ahead: number;
  /** Those that are cancelled, which go to no model. */
  readonly cancelled: number;
}

/** What decides how many more tasks an agent starts. */
export interface Load {
  readonly jobs: Iterable<Job>;
  readonly unpushed: UnpushedAnswers;
  /** How many tasks its models have answered so far. */
  readonly generated: number;
  /** Whether several bridges share the models. */
  readonly isRoomShared: boolean;
}

/**
 * The limits for an agent whose models have room for `room` more tasks. No more are claimed ahead than the
 * models have answered so far: a slow model gains nothing by it, and agents that come later would find the
 * tasks taken. None where bridges share the room, because it is not known yet which of them will have its
 * turn.
 */
export function startLimits({ jobs, unpushed, generated, isRoomShared }: Load, room: number): StartLimits {
  const all = [...jobs];
  const ahead = all.filter((job) => job.isAhead).length;
  const ending = all.filter((job) => job.cancel !== null).length;
  const cancelled = Math.max(0, Math.min(MAX_CANCELLED - ending, unpushed.roomForCancelled));
  if (isFull({ jobs: all, unpushed })) return { room: 0, ahead: 0, cancelled };
  const mayBeAhead = isRoomShared ? 0 : Math.min(MAX_AHEAD, generated);
  return { room, ahead: Math.max(0, mayBeAhead - ahead), cancelled };
}

/** Whether too many answers are still to be kept or to be pushed: then all wait for disk or server. */
export function isFull({ jobs, unpushed }: Pick<Load, 'jobs' | 'unpushed'>): boolean {
  let toKeep = 0;
  for (const job of jobs) if (job.isToKeep) toKeep += 1;
  return toKeep > MAX_KEEPING || unpushed.isBehind;
}
