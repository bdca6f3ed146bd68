import { createHash } from 'node:crypto';
import { resolveRef, updateRefs } from '../git/refs.js';
import { clearTheWay } from '../git/repair-bridge.js';
import { type Repository, runGit } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF } from '../protocol/names.js';
import { commitLocal, identified } from './commit-local.js';
import { taskSubmission } from './submission.js';
import { loginName, type TaskDraft } from './task-draft.js';

/** The bridge to ask, the name of the asker, and who hears of the task. */
export interface AskOnce {
  readonly repo: Repository;
  readonly taskTtlMs: number;
  readonly name?: string;
  /** Called for each task that was asked. */
  readonly onTask: (task: string, draft: TaskDraft) => void;
}

/**
 * Asks what a file says, unless it was asked already. The ref `refs/bridge/watch/<hash of the path>`
 * remembers the last task of this file. It moves in the same transaction as `main`, so a restart neither
 * repeats nor misses a task. Throws BridgeError `watch-failed` where that could not be noted, and what
 * commitLocal does.
 */
export async function askOnce(file: string, draft: TaskDraft, options: AskOnce): Promise<void> {
  const { repo, taskTtlMs, name, onTask } = options;
  const memory = watchRef(file);
  await clearTheWay(repo);
  const last = await resolveRef(repo, memory);
  if (last !== null && (await isOnMain(repo, last)) && (await holds(repo, last, draft))) return;
  const by = { name: name ?? loginName(), atMs: Date.now() };
  const main = await resolveRef(repo, MAIN_REF);
  if (main !== null && (await holds(repo, main, draft))) {
    // Another asker has just asked these bytes, and a commit cannot ask them again. This file has said them
    // all the same. The ref must remember that: otherwise a change back to the earlier content would look
    // like no change.
    const outcome = await updateRefs(identified(repo, by), [{ ref: memory, to: main }], 'watch');
    if (outcome !== 'updated') throw notRemembered(file);
    return;
  }
  const submission = taskSubmission(draft, () => ({ nowMs: by.atMs, ttlMs: taskTtlMs }));
  const { id } = await commitLocal(repo, submission, by, (commit) => [{ ref: memory, to: commit }]);
  onTask(id, draft);
}

/** Whether a commit's task file equals this draft byte for byte. */
async function holds(repo: Repository, commit: string, draft: TaskDraft): Promise<boolean> {
  const then = await resolveRef(repo, `${commit}:${draft.file}`);
  const now = await runGit(repo, ['hash-object', '-t', 'blob', '--stdin', '--no-filters'], {
    input: draft.bytes,
  });
  return then !== null && now.exitCode === 0 && now.stdout.toString('utf8').trim() === then;
}

async function isOnMain(repo: Repository, commit: string): Promise<boolean> {
  return (await runGit(repo, ['merge-base', '--is-ancestor', commit, MAIN_REF])).exitCode === 0;
}

function watchRef(file: string): string {
  return `refs/bridge/watch/${createHash('sha256').update(file).digest('hex').slice(0, 32)}`;
}

function notRemembered(file: string): BridgeError {
  return new BridgeError(`what ${file} says is asked, and that could not be noted`, {
    code: 'watch-failed',
    remedy: 'nothing need be done: it is tried again',
    retryable: true,
  });
}
