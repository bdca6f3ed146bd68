import { type HistoryCommit, type HistoryMessage, messageOf } from '../protocol/history.js';
import { MAX_COMMIT_BYTES } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import { isExpired } from '../protocol/queue.js';
import type { Refusal } from '../protocol/refusal.js';
import { readTask, taskHash } from '../protocol/task.js';
import { readSinceTasks } from './keep-open-tasks.js';
import type { PushContext } from './push-context.js';
import { committedAtMs } from './task-status.js';

/**
 * An answer is for a task on main that is within its time-to-live, has the hash that the answer names, and
 * has no answer yet. The same holds for a cancel, and only the asker of the task or the owner may cancel it.
 * The first valid answer wins; a second one is refused here. A second cancel changes nothing and is let in.
 * Runs after payloadRule, so each file can be read and agrees with its trailers.
 */
export async function openTaskRule(push: PushContext): Promise<Refusal | null> {
  const cited = push.messages.flatMap((message): Citation[] =>
    message.kind === 'answer' || message.kind === 'cancel'
      ? [{ message, commit: message.commit, task: message.commit.taskTrailer }]
      : [],
  );
  if (cited.length === 0) return null;
  const clock = { nowMs: push.nowMs, ttlMs: push.settings.taskTtlMs };
  const tasks = new Map<string, number>();
  for (const citation of cited) {
    const object = await push.reader.read(citation.task, MAX_COMMIT_BYTES);
    if (object?.info.type !== 'commit') return unknownTask(citation);
    const atMs = committedAtMs(object.content);
    // Before history is read back to the task: a pusher who names the oldest commit must not make the server
    // walk to it.
    if (isExpired(atMs, clock)) return expired(citation);
    tasks.set(citation.task, atMs);
  }
  const history = await readSince(push, tasks);
  const messages = new Map(history.map((commit) => [commit.id, messageOf(commit)]));
  const pushed = new Set(push.commits.map((commit) => commit.id));
  const answered = new Set(
    [...messages.values()]
      .filter((message) => message.kind === 'answer' && !pushed.has(message.commit.id))
      .map((message) => message.commit.taskTrailer),
  );
  for (const citation of cited) {
    const task = messages.get(citation.task);
    if (task?.kind !== 'task') return unknownTask(citation);
    if (answered.has(citation.task)) return answeredAlready(citation);
    const denial =
      citation.message.kind === 'answer'
        ? await judgeHash(push, citation, task)
        : judgeCanceller(push, citation, task);
    if (denial !== null) return denial;
    if (citation.message.kind === 'answer') answered.add(citation.task);
  }
  return null;
}

/** A pushed commit that names a task. */
interface Citation {
  readonly message: Extract<HistoryMessage, { kind: 'answer' | 'cancel' }>;
  readonly commit: HistoryCommit;
  readonly task: string;
}

type Asked = Extract<HistoryMessage, { kind: 'task' }>;

/** The hash that an answer names must be the hash of its task's file. */
async function judgeHash(
  push: PushContext,
  { commit, task }: Citation,
  asked: Asked,
): Promise<Refusal | null> {
  const object = await push.reader.read(asked.change.newId);
  // A task that is not a file (a submodule that somebody added without the hook) can only get an error as
  // its answer. Its hash is the hash of no bytes.
  const bytes = object?.info.type === 'blob' ? object.content : Buffer.alloc(0);
  if (taskHash(bytes) === commit.taskHashTrailer) return judgeReader(push, { commit, task }, asked, bytes);
  return {
    code: 'payload',
    text: `commit ${shortId(commit.id)}: "task_hash" is not the SHA-256 of ${asked.file} in task ${shortId(task)}`,
    remedy: 'hash the bytes of the file as they are in the task commit',
  };
}

/**
 * An agent of an older version cannot read a request, and would end it with `invalid_task` before an agent
 * that can has seen it. It drops a task that is refused as `unknown-task`, so the task is left to the
 * others, or to its update.
 */
function judgeReader(
  { settings }: PushContext,
  { commit, task }: Pick<Citation, 'commit' | 'task'>,
  { file }: Asked,
  bytes: Uint8Array,
): Refusal | null {
  if (commit.statusTrailer !== 'error invalid_task') return null;
  const read = readTask(file, bytes, settings.maxTaskBytes);
  if (!read.ok || read.value.request === undefined) return null;
  return {
    code: 'unknown-task',
    text: `commit ${shortId(commit.id)}: task ${shortId(task)} is a request, which this agent cannot read`,
    remedy: 'update llm-bridge where this agent runs',
  };
}

/** Only the asker of the task and the owner may cancel it. */
function judgeCanceller(
  { principal }: PushContext,
  { commit, task }: Citation,
  asked: Asked,
): Refusal | null {
  if (principal === null || asked.commit.author === principal.name) return null;
  return {
    code: 'author',
    text: `commit ${shortId(commit.id)}: ${principal.name} did not ask task ${shortId(task)}`,
    remedy: 'have it cancelled with the key that asked it, or by the owner of the bridge',
  };
}

function answeredAlready({ commit, task }: Citation): Refusal {
  return {
    code: 'answered',
    text: `commit ${shortId(commit.id)}: task ${shortId(task)} has its answer already`,
    remedy: 'nothing; the first answer stays',
  };
}

function expired({ commit, task }: Citation): Refusal {
  return {
    code: 'expired',
    text: `commit ${shortId(commit.id)}: the time of task ${shortId(task)} is over`,
    remedy: 'ask again, or raise bridge.taskTtl on the server',
  };
}

/** These tasks, and all that may answer them, up to the pushed tip. What is older cannot answer a task. */
async function readSince(
  push: PushContext,
  tasks: ReadonlyMap<string, number>,
): Promise<readonly HistoryCommit[]> {
  const recent = new Set(push.recent.map((commit) => commit.id));
  const ids = [...tasks.keys()];
  if (ids.every((task) => recent.has(task))) return push.recent;
  const dated = [...tasks].map(([id, committedAtMs]) => ({ id, committedAtMs }));
  return await readSinceTasks(push.repo, push.update.newId, dated);
}

function unknownTask({ commit, message, task }: Citation): Refusal {
  return {
    code: 'unknown-task',
    text: `commit ${shortId(commit.id)}: "task_commit" ${shortId(task)} is not a task on main`,
    remedy: `fetch, and ${message.kind} tasks that are pending`,
  };
}
