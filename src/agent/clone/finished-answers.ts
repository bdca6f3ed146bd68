import { writeBlob } from '../../git/commit-file.js';
import type { ObjectReader } from '../../git/object-reader.js';
import { listRefs, setRefs, updateRefs } from '../../git/refs.js';
import type { Repository } from '../../git/run-git.js';
import { type Answer, readKeptAnswer, writeAnswer } from '../../protocol/answer.js';
import { BridgeError } from '../../protocol/bridge-error.js';

/** Where finished answers wait: one ref for each task, to the blob of its `inbox.json`. */
export const FINISHED_PREFIX = 'refs/bridge/finished/';

/** A finished answer that is not known to be on main yet. */
export interface FinishedAnswer {
  /** The task's commit id. */
  readonly taskId: string;
  readonly blob: string;
  readonly answer: Answer;
}

/**
 * Keeps an answer in the clone before anything else is done with it; from here on a crash or a dead network
 * cannot lose it. Throws BridgeError where it is not kept.
 */
export async function keepFinished(clone: Repository, answer: Answer): Promise<FinishedAnswer> {
  const [kept] = await keepAllFinished(clone, [answer]);
  return kept as FinishedAnswer;
}

/** The same for several at once. Where it fails, some of them may be kept all the same. */
async function keepAllFinished(clone: Repository, answers: readonly Answer[]): Promise<FinishedAnswer[]> {
  const finished = await Promise.all(
    answers.map(async (answer) => ({
      taskId: answer.task_commit,
      blob: await writeBlob(clone, writeAnswer(answer)),
      answer,
    })),
  );
  const updates = finished.map(({ taskId, blob }) => ({ ref: `${FINISHED_PREFIX}${taskId}`, to: blob }));
  if ((await setRefs(clone, updates, 'finished')) === 'raced') {
    throw locked(clone, updates.map(({ ref }) => ref).join(', '));
  }
  return finished;
}

/** The answers that wait, also those of an earlier run. One that cannot be read any more is left out. */
export async function listFinished(clone: Repository, reader: ObjectReader): Promise<FinishedAnswer[]> {
  const found: FinishedAnswer[] = [];
  for (const { ref, id } of await listRefs(clone, FINISHED_PREFIX)) {
    const blob = await reader.read(id);
    const answer = readKeptAnswer(blob?.content);
    if (answer !== null) found.push({ taskId: ref.slice(FINISHED_PREFIX.length), blob: id, answer });
  }
  return found;
}

/** Deletes the refs of answers that are on main, or that nobody waits for any more. */
export async function dropFinished(clone: Repository, taskIds: readonly string[]): Promise<void> {
  if (taskIds.length === 0) return;
  await updateRefs(
    clone,
    taskIds.map((id) => ({ ref: `${FINISHED_PREFIX}${id}`, to: null })),
    'published',
  );
}

/** Nobody else writes here: the lock is that of a git that was killed. */
function locked(clone: Repository, ref: string): BridgeError {
  return new BridgeError(`${ref} in ${clone.gitDir} is locked`, {
    code: 'clone-locked',
    remedy: 'start the agent again: it removes the locks that a killed git left',
    retryable: true,
  });
}

/** The most answers that one call to git keeps. */
const MAX_TOGETHER = 50;

/**
 * A keepFinished for many workers. Answers that are finished while git works are kept together by its next
 * run, so that a backlog costs one process for many answers. Rejects for each answer as keepFinished does.
 */
export function createKeeper(clone: Repository): (answer: Answer) => Promise<FinishedAnswer> {
  interface Waiting {
    readonly answer: Answer;
    readonly resolve: (kept: FinishedAnswer) => void;
    readonly reject: (reason: unknown) => void;
  }
  const waiting: Waiting[] = [];
  let isRunning = false;

  async function run(): Promise<void> {
    isRunning = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, MAX_TOGETHER);
      try {
        const kept = await keepAllFinished(
          clone,
          batch.map(({ answer }) => answer),
        );
        for (const [index, one] of batch.entries()) one.resolve(kept[index] as FinishedAnswer);
      } catch {
        // One answer that cannot be kept must not cost the others.
        for (const one of batch) await keepFinished(clone, one.answer).then(one.resolve, one.reject);
      }
    }
    isRunning = false;
  }

  return (answer) =>
    new Promise((resolve, reject) => {
      waiting.push({ answer, resolve, reject });
      if (!isRunning) void run();
    });
}
