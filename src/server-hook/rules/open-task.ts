import { readHistory } from '../../git/read-history.js';
import { gitText } from '../../git/run-git.js';
import { readAnswer } from '../../protocol/answer.js';
import { type HistoryCommit, type HistoryMessage, messageOf } from '../../protocol/history.js';
import { MAX_COMMIT_BYTES } from '../../protocol/limits.js';
import { shortId } from '../../protocol/names.js';
import { isExpired } from '../../protocol/pending.js';
import { taskHash } from '../../protocol/task-hash.js';
import type { Denial, PushContext } from '../push-context.js';

/**
 * An answer is to a task that is on main, within its time-to-live, has the hash the answer says, and has no answer yet.
 * The first valid answer wins; a second is refused here. Runs after payloadRule, so every answer can be read.
 */
export async function openTaskRule(push: PushContext): Promise<Denial | null> {
  const answers = push.messages.filter((message) => message.kind === 'answer');
  if (answers.length === 0) return null;
  const cited: { commit: HistoryCommit; task: string; hash: string }[] = [];
  for (const { commit, change } of answers) {
    const bytes = await push.reader.read(change.newId);
    const read = bytes === null ? null : readAnswer(bytes.content, push.settings.maxAnswerBytes);
    if (read?.ok) cited.push({ commit, task: read.value.task_commit, hash: read.value.task_hash });
  }
  for (const { commit, task } of cited) {
    const object = await push.reader.read(task, MAX_COMMIT_BYTES);
    if (object?.info.type !== 'commit') return unknownTask(commit, task);
    // Before history is read as far back as that: whoever cites the oldest commit there is must not make the server walk to it.
    if (isOver(push, object.content)) return expired(commit, task);
  }
  const history = await readSince(push, [...new Set(cited.map(({ task }) => task))]);
  const messages = new Map(history.map((commit) => [commit.id, messageOf(commit)]));
  const pushed = new Set(push.commits.map((commit) => commit.id));
  const answered = new Set(
    [...messages.values()]
      .filter((message) => message.kind === 'answer' && !pushed.has(message.commit.id))
      .map((message) => message.commit.taskTrailer),
  );
  for (const answer of cited) {
    const denial = await judgeOne(push, answer, messages.get(answer.task), answered);
    if (denial !== null) return denial;
    answered.add(answer.task);
  }
  return null;
}

async function judgeOne(
  push: PushContext,
  answer: { commit: HistoryCommit; task: string; hash: string },
  task: HistoryMessage | undefined,
  answered: ReadonlySet<string>,
): Promise<Denial | null> {
  const { commit } = answer;
  if (task?.kind !== 'task') return unknownTask(commit, answer.task);
  if (answered.has(answer.task)) {
    return {
      code: 'answered',
      text: `commit ${shortId(commit.id)}: task ${shortId(answer.task)} has its answer already`,
      remedy: 'nothing; the first answer stays',
    };
  }
  const object = await push.reader.read(task.change.newId);
  // What is no file (a submodule, put there behind the hook) can only be answered with an error; its hash is that of nothing.
  const bytes = object?.info.type === 'blob' ? object.content : Buffer.alloc(0);
  if (taskHash(bytes) !== answer.hash) {
    return {
      code: 'payload',
      text: `commit ${shortId(commit.id)}: "task_hash" is not the SHA-256 of ${task.file} in task ${shortId(answer.task)}`,
      remedy: 'hash the bytes of the file as they are in the task commit',
    };
  }
  return null;
}

/** Whether a commit, given as its raw bytes, is dated before the time-to-live. */
function isOver(push: PushContext, raw: Buffer): boolean {
  const seconds = /\ncommitter [^\n]*> ([0-9]+) [+-][0-9]{4}\n/.exec(raw.toString('latin1'))?.[1];
  const clock = { nowMs: push.nowMs, ttlMs: push.settings.taskTtlMs };
  return isExpired(Number(seconds ?? 0) * 1000, clock);
}

function expired(commit: HistoryCommit, task: string): Denial {
  return {
    code: 'expired',
    text: `commit ${shortId(commit.id)}: the time of task ${shortId(task)} is over`,
    remedy: 'ask again, or raise bridge.taskTtl on the server',
  };
}

/** History from the oldest of these tasks, or from before it, to the pushed tip: what lies behind the task cannot answer it. */
async function readSince(push: PushContext, tasks: readonly string[]): Promise<readonly HistoryCommit[]> {
  const recent = new Set(push.recent.map((commit) => commit.id));
  if (tasks.every((task) => recent.has(task))) return push.recent;
  let [oldest = ''] = tasks;
  if (tasks.length > 1) {
    // On one line of history the common ancestor of commits is the oldest of them.
    oldest = await gitText(push.repo, ['merge-base', '--octopus', ...tasks]).then(
      (text) => text.trim(),
      () => oldest,
    );
  }
  return readHistory(push.repo, { from: [push.update.newId], not: [`${oldest}^@`] });
}

function unknownTask(commit: HistoryCommit, task: string): Denial {
  return {
    code: 'unknown-task',
    text: `commit ${shortId(commit.id)}: "task_commit" ${shortId(task)} is not a task on main`,
    remedy: 'fetch, and answer the tasks that are pending',
  };
}
