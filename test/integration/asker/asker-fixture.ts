import { commitLocal } from '../../../src/asker/commit-local.js';
import { taskSubmission } from '../../../src/asker/submission.js';
import type { TaskDraft } from '../../../src/asker/task-draft.js';
import { writeBlob, writeFileCommit } from '../../../src/git/commit-file.js';
import type { CommitIdentity } from '../../../src/git/git-objects.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { readHistory } from '../../../src/git/read-history.js';
import { type RefUpdate, resolveRef, updateRefs } from '../../../src/git/refs.js';
import type { Repository } from '../../../src/git/run-git.js';
import { type Answer, writeAnswer } from '../../../src/protocol/answer.js';
import { answerMessage } from '../../../src/protocol/commit-message.js';
import { messageOf } from '../../../src/protocol/history.js';
import { INBOX_FILE, MAIN_REF } from '../../../src/protocol/names.js';
import { gitOk } from '../../support/git.js';
import { readObjectFile } from '../../support/object-files.js';

/** The time-to-live of these tests: a week. */
export const TTL_MS = 604_800_000;

/**
 * Every task on main, in the order of asking: its id and the text of its file. Throws where a commit is no
 * message.
 */
export async function tasksOn(repo: Repository): Promise<{ id: string; text: string }[]> {
  const tasks: { id: string; text: string }[] = [];
  const [, ...commits] = await readHistory(repo, { from: [MAIN_REF] });
  for (const commit of commits) {
    const message = messageOf(commit);
    if (message.kind === 'other') throw new Error(`commit ${commit.id} (${commit.subject}) is no message`);
    if (message.kind !== 'task') continue;
    const { newId } = message.change;
    const loose = readObjectFile(repo.gitDir, newId)?.toString();
    const text = loose ?? (await gitOk(['cat-file', 'blob', newId], { gitDir: repo.gitDir }));
    tasks.push({ id: commit.id, text });
  }
  return tasks;
}

/** Asks as a local asker does, and returns the task's id. */
export async function askLocally(
  repo: Repository,
  draft: TaskDraft,
  by: CommitIdentity = { name: 'bot', atMs: Date.now() },
  alongside?: (commit: string) => readonly RefUpdate[],
): Promise<string> {
  const submission = taskSubmission(draft, () => ({ nowMs: by.atMs, ttlMs: TTL_MS }));
  return (await commitLocal(repo, submission, by, alongside)).id;
}

/** Answers a task as an agent would, but without a hook. */
export async function answerTask(
  repo: Repository,
  task: { readonly id: string; readonly hash: string },
  outcome: Pick<Answer, 'answer' | 'error' | 'finish_reason'> = { answer: '4', error: null },
): Promise<void> {
  const answer: Answer = {
    task_hash: task.hash,
    task_commit: task.id,
    model: 'llama3.2',
    backend: 'ollama',
    ...outcome,
    created_at: '2026-11-22T17:02:27.123Z',
    latency_ms: 1,
    agent: 'home-pc',
  };
  const reader = openObjectReader(repo);
  try {
    const parent = (await resolveRef(repo, MAIN_REF)) ?? '';
    const commit = await writeFileCommit(repo, reader, {
      parent,
      file: INBOX_FILE,
      blob: await writeBlob(repo, writeAnswer(answer)),
      message: answerMessage(answer),
      by: { name: 'home-pc', atMs: Date.now() },
    });
    const env = { ...repo.env, GIT_COMMITTER_NAME: 'home-pc', GIT_COMMITTER_EMAIL: 'x@y.invalid' };
    await updateRefs({ ...repo, env }, [{ ref: MAIN_REF, to: commit, from: parent }], 'answer');
  } finally {
    reader.close();
  }
}
