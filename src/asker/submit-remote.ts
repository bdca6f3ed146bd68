import { setTimeout as sleep } from 'node:timers/promises';
import { writeBlob, writeFileCommit } from '../git/commit-file.js';
import { openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { readRef, resolveRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { fetchMain, pushCommit, REMOTE_MAIN_REF } from '../git/transport.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { askMessage } from '../protocol/commit-message.js';
import type { CommitIdentity } from '../protocol/git-objects.js';
import { taskHash } from '../protocol/task-hash.js';
import { type BridgeDoor, connectDoor } from '../remote/bridge-door.js';
import { findEqualTask, varied } from './reuse-equal-task.js';
import type { TaskDraft } from './task-draft.js';

/** Lost races and broken connections together; with their pauses about a minute. */
const MAX_TRIES = 12;

/** So many refusals for a fault of the server's own are not its last word. */
const MAX_INTERNAL = 3;

/**
 * Commits a task to a bridge elsewhere, through a clone that has its tip. A push whose answer was lost on the way is looked for
 * on main before it is made again, so a broken connection never asks twice. Answers the task's id, and whether main was
 * moved to it just now.
 */
export async function submitRemote(
  clone: Repository,
  door: BridgeDoor,
  draft: TaskDraft,
  by: () => CommitIdentity,
  ttlMs: number,
  signal?: AbortSignal,
): Promise<{ readonly task: string; readonly isNew: boolean }> {
  const { url } = door.address;
  const reader = openObjectReader(clone);
  const tried = new Set<string>();
  let lastError: unknown = null;
  try {
    const { file } = draft;
    const asIs = await writeBlob(clone, draft.bytes);
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      if (attempt > 0)
        await sleep((0.5 + Math.random()) * Math.min(200 * attempt, 5000), undefined, { signal });
      try {
        await connectDoor(door, signal);
        if (attempt > 0) await fetchMain(clone, url, {}, signal);
        const arrived = tried.size === 0 ? null : await findArrived(clone, tried);
        if (arrived !== null) return { task: arrived, isNew: false };
        const clock = { nowMs: by().atMs, ttlMs };
        if ((await resolveRef(clone, `${REMOTE_MAIN_REF}:${file}`)) === asIs) {
          // One commit does not show who asked that; history as far back as it can still be pending does.
          await fetchMain(clone, url, { sinceMs: clock.nowMs - ttlMs }, signal);
        }
        const parent = await readRef(clone, REMOTE_MAIN_REF);
        if (parent === null) throw new Error('the clone lost its main');
        const equal = await findEqualTask(clone, parent, { file, id: asIs }, clock);
        if (equal.status === 'reuse') return { task: equal.task, isNew: false };
        const bytes = equal.status === 'spent' ? varied(draft.bytes) : draft.bytes;
        const blob = equal.status === 'spent' ? await writeBlob(clone, bytes) : asIs;
        const message = askMessage({ hash: taskHash(bytes), question: draft.question });
        const commit = await writeFileCommit(clone, reader, { parent, file, blob, message, by: by() });
        tried.add(commit);
        const outcome = await pushCommit(clone, url, commit, signal);
        if (outcome.status === 'pushed') return { task: commit, isNew: true };
        if (outcome.status === 'refused') throw refused(outcome.refusal, attempt);
        lastError = null;
      } catch (error) {
        if (!(error instanceof BridgeError && error.retryable)) throw error;
        lastError = error;
      }
    }
  } finally {
    reader.close();
  }
  throw (
    lastError ??
    new BridgeError(`${url} is so busy that the task could not be put in between`, {
      code: 'busy',
      remedy: 'try again in a moment',
      retryable: true,
    })
  );
}

async function findArrived(clone: Repository, tried: ReadonlySet<string>): Promise<string | null> {
  const commits = await readHistory(clone, { from: [REMOTE_MAIN_REF] });
  return commits.find((commit) => tried.has(commit.id))?.id ?? null;
}

function refused(refusal: { code: string; text: string; remedy: string }, attempt: number): BridgeError {
  return new BridgeError(`the bridge refused the task: ${refusal.text}`, {
    code: `refused-${refusal.code}`,
    remedy: refusal.remedy,
    // A hook that something has killed is back at the next push; one that is broken stays so.
    retryable: refusal.code === 'internal' && attempt < MAX_INTERNAL,
  });
}
