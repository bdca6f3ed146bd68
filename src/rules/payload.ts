import { readAnswer } from '../protocol/answer.js';
import { MAX_CANCEL_BYTES, readCancel } from '../protocol/cancel.js';
import { statusOf } from '../protocol/commit-message.js';
import type { HistoryMessage } from '../protocol/history.js';
import { shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import { readTask } from '../protocol/task.js';
import type { PushContext } from './push-context.js';

/**
 * Each file is a valid message of its kind: a task that a model can be asked, or an answer or a cancel that
 * fits the schema and its own trailers.
 */
export async function payloadRule(push: PushContext): Promise<Refusal | null> {
  for (const message of push.messages) {
    if (message.kind === 'other') continue;
    const denial = await judgePayload(push, message);
    if (denial !== null) return denial;
  }
  return null;
}

function judgePayload(
  push: PushContext,
  message: Exclude<HistoryMessage, { kind: 'other' }>,
): Promise<Refusal | null> {
  if (message.kind === 'task') return judgeTask(push, message);
  return message.kind === 'answer' ? judgeAnswer(push, message) : judgeCancel(push, message);
}

async function judgeTask(
  push: PushContext,
  message: Extract<HistoryMessage, { kind: 'task' }>,
): Promise<Refusal | null> {
  const { commit, file, change } = message;
  const maxBytes = push.settings.maxTaskBytes;
  const bytes = await push.reader.read(change.newId, maxBytes);
  if (bytes === null) return tooLarge(commit.id, file, maxBytes);
  const task = readTask(file, bytes.content, maxBytes);
  if (!task.ok) return invalid(commit.id, file, task.reason);
  const { reply_to: replyTo } = task.value;
  // The agent finds out whether the id is a task with an answer, because that costs a walk. An invented id
  // is refused here, so that it does not make the agent search for long.
  if (replyTo === undefined || (await push.reader.info(replyTo))?.type === 'commit') return null;
  return {
    code: 'unknown-task',
    text: `commit ${shortId(commit.id)}: "reply_to" ${shortId(replyTo)} is not a task on main`,
    remedy: 'reply to a task that has its answer',
  };
}

async function judgeAnswer(
  push: PushContext,
  message: Extract<HistoryMessage, { kind: 'answer' }>,
): Promise<Refusal | null> {
  const { commit, change } = message;
  const maxBytes = push.settings.maxAnswerBytes;
  const bytes = await push.reader.read(change.newId, maxBytes);
  if (bytes === null) return tooLarge(commit.id, change.path, maxBytes);
  const read = readAnswer(bytes.content, maxBytes);
  if (!read.ok) return invalid(commit.id, change.path, read.reason);
  const answer = read.value;
  if (push.principal !== null && answer.agent !== push.principal.name) {
    return {
      code: 'author',
      text: `commit ${shortId(commit.id)}: "agent" says ${answer.agent}, the key is ${push.principal.name}'s`,
      remedy: `"agent": "${push.principal.name}"`,
    };
  }
  // The pending tasks are computed from the trailers, so a trailer that disagrees with
  // its file would be a second truth.
  const trailers = [commit.taskTrailer, commit.taskHashTrailer, commit.statusTrailer].join('\n');
  if (trailers !== [answer.task_commit, answer.task_hash, statusOf(answer)].join('\n')) {
    return {
      code: 'message',
      text: `commit ${shortId(commit.id)}: the trailers Task, Task-Hash and Status do not say what ${change.path} says`,
      remedy: 'end the commit message with these three trailers, once each',
    };
  }
  return null;
}

async function judgeCancel(
  push: PushContext,
  message: Extract<HistoryMessage, { kind: 'cancel' }>,
): Promise<Refusal | null> {
  const { commit, change } = message;
  const bytes = await push.reader.read(change.newId, MAX_CANCEL_BYTES);
  if (bytes === null) {
    return {
      code: 'limit',
      text: `commit ${shortId(commit.id)}: ${change.path} is larger than ${MAX_CANCEL_BYTES} bytes`,
      remedy: 'give a shorter reason',
    };
  }
  const read = readCancel(bytes.content);
  if (!read.ok) return invalid(commit.id, change.path, read.reason);
  if (commit.taskTrailer === read.value.task_commit) return null;
  return {
    code: 'message',
    text: `commit ${shortId(commit.id)}: the trailer Task does not say what ${change.path} says`,
    remedy: 'end the commit message with this trailer, once',
  };
}

function tooLarge(commit: string, file: string, maxBytes: number): Refusal {
  return {
    code: 'limit',
    text: `commit ${shortId(commit)}: ${file} is larger than ${maxBytes} bytes`,
    remedy: 'make it shorter, or raise bridge.maxTaskBytes / bridge.maxAnswerBytes on the server',
  };
}

function invalid(commit: string, file: string, reason: string): Refusal {
  return {
    code: 'payload',
    text: `commit ${shortId(commit)}: ${file} ${reason}`,
    remedy: 'see "Messages" in docs/protocol.md',
  };
}
