import { beginBlob, type FileCommit } from '../git/commit-file.js';
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
   * Makes the message for the very commit it is to stand on, each time anew, and writes its blob, or begins to. `done`: a commit there says
   * it already. Throws BridgeError where it has no place there any more.
   */
  compose(
    place: SubmissionPlace,
    parent: string,
  ): Promise<Pick<FileCommit, 'blob' | 'written' | 'message'> | { readonly done: string }>;
  /** Whether `compose` can do with the tip `ref` alone; else history has to be there as far back as tasks can be pending. */
  needsHistory(repo: Repository, ref: string): Promise<boolean>;
}

/** A task. Where main holds these very bytes already, see findEqualTask. */
export function taskSubmission(
  draft: TaskDraft,
  clock: () => { readonly nowMs: number; readonly ttlMs: number },
): Submission {
  const { file } = draft;
  let begun: ReturnType<typeof beginBlob> | null = null;
  const asIs = (repo: Repository) => {
    begun ??= beginBlob(repo, draft.bytes);
    // What failed, for a disk that was full say, is begun anew by the next try.
    begun
      .then(({ written }) => written)
      .catch(() => {
        begun = null;
      });
    return begun;
  };
  return {
    file,
    async compose({ repo, reader }, parent) {
      const [blob, onMain] = await Promise.all([asIs(repo), reader.info(`${parent}:${file}`)]);
      const isThere = onMain?.id === blob.id;
      const equal = isThere ? await findEqualTask(repo, parent, file, clock()) : { status: 'free' as const };
      if (equal.status === 'reuse') return { done: equal.task };
      const bytes = equal.status === 'spent' ? varied(draft.bytes) : draft.bytes;
      const { id, written } = equal.status === 'spent' ? await beginBlob(repo, bytes) : blob;
      return { blob: id, written, message: askMessage({ hash: taskHash(bytes), question: draft.question }) };
    },
    // One commit does not show who asked that; history does.
    needsHistory: async (repo, ref) => (await resolveRef(repo, `${ref}:${file}`)) === (await asIs(repo)).id,
  };
}
