import { writeBlob } from '../git/commit-file.js';
import type { ObjectReader } from '../git/object-reader.js';
import { resolveRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { askMessage } from '../protocol/commit-message.js';
import { taskHash } from '../protocol/task-hash.js';
import { findEqualTask, varied } from './reuse-equal-task.js';
import type { TaskDraft } from './task-draft.js';

/** Where a message is made. */
export interface SubmissionPlace {
  readonly repo: Repository;
  readonly reader: ObjectReader;
}

/** A message of an asker's that is to be on main. */
export interface Submission {
  readonly file: string;
  /**
   * Makes the message for the very commit it is to stand on, each time anew, and writes its blob. `done`: a commit there says it
   * already. Throws BridgeError where it has no place there any more.
   */
  compose(
    place: SubmissionPlace,
    parent: string,
  ): Promise<{ readonly blob: string; readonly message: string } | { readonly done: string }>;
  /** Whether `compose` can do with the tip `ref` alone; else history has to be there as far back as tasks can be pending. */
  needsHistory(repo: Repository, ref: string): Promise<boolean>;
}

/** A task. Where main holds these very bytes already, see findEqualTask. */
export function taskSubmission(
  draft: TaskDraft,
  clock: () => { readonly nowMs: number; readonly ttlMs: number },
): Submission {
  const { file } = draft;
  let written: Promise<string> | null = null;
  const asIs = (repo: Repository) => {
    written ??= writeBlob(repo, draft.bytes);
    return written;
  };
  return {
    file,
    async compose({ repo, reader }, parent) {
      const [id, onMain] = await Promise.all([asIs(repo), reader.info(`${parent}:${file}`)]);
      const isThere = onMain?.id === id;
      const equal = isThere ? await findEqualTask(repo, parent, file, clock()) : { status: 'free' as const };
      if (equal.status === 'reuse') return { done: equal.task };
      const bytes = equal.status === 'spent' ? varied(draft.bytes) : draft.bytes;
      const blob = equal.status === 'spent' ? await writeBlob(repo, bytes) : id;
      return { blob, message: askMessage({ hash: taskHash(bytes), question: draft.question }) };
    },
    // One commit does not show who asked that; history does.
    needsHistory: async (repo, ref) => (await resolveRef(repo, `${ref}:${file}`)) === (await asIs(repo)),
  };
}
