import { setTimeout as sleep } from 'node:timers/promises';
import { writeBlob, writeFileCommit } from '../git/commit-file.js';
import { openObjectReader } from '../git/object-reader.js';
import { type RefUpdate, resolveRef, updateRefs } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { askMessage } from '../protocol/commit-message.js';
import { type CommitIdentity, emailOf } from '../protocol/git-objects.js';
import { MAIN_REF } from '../protocol/names.js';
import { taskHash } from '../protocol/task-hash.js';
import { findEqualTask, varied } from './reuse-equal-task.js';
import type { TaskDraft } from './task-draft.js';

/** As many lost races as no server has askers; more means that a lock is stuck. */
const MAX_RACES = 50;

/**
 * Commits a task to a bridge on this machine: objects first, then one compare-and-swap of `main`, so a kill leaves either no
 * task or a whole one. Where `main` holds these very bytes already, see findEqualTask. `alongside` gives refs to move in the same
 * transaction, just before `main`. Answers the task's id.
 */
export async function submitLocal(
  repo: Repository,
  draft: TaskDraft,
  by: CommitIdentity,
  ttlMs: number,
  alongside: (commit: string) => readonly RefUpdate[] = () => [],
): Promise<string> {
  const reader = openObjectReader(repo);
  try {
    const { file } = draft;
    const asIs = await writeBlob(repo, draft.bytes);
    const clock = { nowMs: by.atMs, ttlMs };
    for (let race = 0; race < MAX_RACES; race++) {
      const parent = await resolveRef(repo, MAIN_REF);
      if (parent === null) throw noMain(repo.gitDir);
      const equal = await findEqualTask(repo, parent, { file, id: asIs }, clock);
      if (equal.status === 'reuse') return equal.task;
      const bytes = equal.status === 'spent' ? varied(draft.bytes) : draft.bytes;
      const blob = equal.status === 'spent' ? await writeBlob(repo, bytes) : asIs;
      const message = askMessage({ hash: taskHash(bytes), question: draft.question });
      const commit = await writeFileCommit(repo, reader, { parent, file, blob, message, by });
      // git moves the refs in this order, and a crash in between moves only the first: main comes last.
      const updates = [...alongside(commit), { ref: MAIN_REF, to: commit, from: parent }];
      if ((await updateRefs(identified(repo, by), updates, 'ask')) === 'updated') return commit;
      await sleep(Math.random() * 20 * (race + 1));
    }
  } finally {
    reader.close();
  }
  throw new BridgeError(`main of ${repo.gitDir} could not be moved in ${MAX_RACES} tries`, {
    code: 'stuck-lock',
    remedy: `if no git runs there, remove the left-over ${repo.gitDir}/refs/heads/main.lock`,
    retryable: true,
  });
}

/** A repository as `by` changes it: the reflog names who moved a ref, and git wants to know it. */
export function identified(repo: Repository, by: CommitIdentity): Repository {
  return {
    ...repo,
    env: { ...repo.env, GIT_COMMITTER_NAME: by.name, GIT_COMMITTER_EMAIL: emailOf(by.name) },
  };
}

function noMain(gitDir: string): BridgeError {
  return new BridgeError(`${gitDir} has no branch main`, {
    code: 'no-main',
    remedy: 'restore it from a backup, or make a new bridge with llm-bridge init',
  });
}
