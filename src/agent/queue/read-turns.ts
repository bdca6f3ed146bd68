import type { ObjectReader } from '../../git/object-reader.js';
import { readHistory } from '../../git/read-history.js';
import type { Repository } from '../../git/run-git.js';
import { type AnswerContext, readAnswer } from '../../protocol/answer.js';
import { estimateMessages } from '../../protocol/estimate-tokens.js';
import { messageOf } from '../../protocol/history.js';
import { DEFAULT_CONTEXT_TOKENS, MAX_CONVERSATION_TASKS } from '../../protocol/limits.js';
import { shortId } from '../../protocol/names.js';
import { type ChatMessage, conversationOf, type TaskJson } from '../../protocol/task.js';
import { readAskedTask } from './read-task.js';

/** Where a conversation is read. */
export interface ConversationContext {
  readonly clone: Repository;
  readonly reader: ObjectReader;
  readonly maxTaskBytes: number;
  /** Brings history from further back into the clone. False: there is no more, or it is too far. */
  readonly deepen: (signal: AbortSignal) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** The turns before a task, the newest first; or why the conversation cannot be continued. */
export type Turns =
  | { readonly ok: true; readonly turns: readonly Turn[]; readonly isLonger: boolean }
  | { readonly ok: false; readonly reason: string };

/**
 * Follows `reply_to` from task to task, MAX_CONVERSATION_TASKS at most. Each has to be a task on main before
 * the one that replies to it, with a good answer in between: so the conversation is a function of the history
 * before the task, whoever reads it and whenever.
 */
export async function readTurns(scope: ConversationContext, taskId: string, replyTo: string): Promise<Turns> {
  const turns: Turn[] = [];
  let child = taskId;
  for (let next: string | undefined = replyTo; next !== undefined; ) {
    if (turns.length === MAX_CONVERSATION_TASKS) return { ok: true, turns, isLonger: true };
    const turn = await readTurn(scope, next, child);
    if ('reason' in turn) return { ok: false, reason: `task ${shortId(next)} ${turn.reason}` };
    turns.push(turn);
    child = next;
    next = turn.task.reply_to;
  }
  return { ok: true, turns, isLonger: false };
}

async function readTurn(
  scope: ConversationContext,
  id: string,
  child: string,
): Promise<Turn | { readonly reason: string }> {
  const { clone, reader, signal } = scope;
  for (;;) {
    const object = await reader.info(id);
    if (object !== null && object.type !== 'commit') return { reason: 'is no task' };
    // From the task to the one that replies to it. The edge of a shallow clone has no parent, and what it
    // brought cannot be told.
    const commits =
      object === null ? [] : await readHistory(clone, { from: [child], not: [`${id}^@`] }, signal);
    const [first] = commits;
    if (object !== null && first !== undefined && first.parents.length > 0) {
      const asked = messageOf(first);
      if (first.id !== id || asked.kind !== 'task') return { reason: 'is no task on main before it' };
      const answer = commits.findLast(
        (commit) => messageOf(commit).kind === 'answer' && commit.taskTrailer === id,
      );
      if (answer === undefined) return { reason: 'had no answer when this was asked' };
      return readBoth(scope, asked, answer.changes[0]?.newId ?? '');
    }
    if (!(await scope.deepen(signal))) return { reason: 'is not in the history that this agent can reach' };
  }
}

async function readBoth(
  scope: ConversationContext,
  asked: Extract<ReturnType<typeof messageOf>, { kind: 'task' }>,
  answerBlob: string,
): Promise<Turn | { readonly reason: string }> {
  const { commit, file, change } = asked;
  const { task } = await readAskedTask(
    scope.reader,
    {
      ...{ id: commit.id, file, change, asker: commit.author },
      ...{ askedAtMs: commit.committedAtMs, subject: commit.subject },
    },
    scope.maxTaskBytes,
  );
  if (task === null) return { reason: 'cannot be read' };
  const blob = await scope.reader.read(answerBlob);
  const read = blob === null ? null : readAnswer(blob.content, Number.POSITIVE_INFINITY);
  if (!read?.ok) return { reason: 'has an answer that cannot be read' };
  const { answer, error } = read.value;
  return answer === null ? { reason: `was answered with the error ${error?.code}` } : { task, answer };
}

/** An earlier task of a conversation, and its answer. */
export interface Turn {
  readonly task: TaskJson;
  readonly answer: string;
}

/** A task with the conversation before it. */
export interface Continued {
  readonly task: TaskJson;
  readonly context: AnswerContext;
}

/**
 * Puts earlier turns, the newest first, in front of a task, as many as fit into its context by the estimate:
 * `num_ctx`, or a default, without the room for the answer, `max_tokens` or a quarter. The oldest are cut
 * first, question and answer together. The system prompt is the task's own, or that of the newest turn that
 * has one, and stays. `isLonger`: there are turns before these.
 */
export function fitConversation(task: TaskJson, turns: readonly Turn[], isLonger: boolean): Continued {
  const { prompt: _prompt, ...rest } = task;
  const system = task.system ?? turns.find((turn) => turn.task.system !== undefined)?.task.system;
  const withSystem = system === undefined ? task : { ...task, system };
  const size = task.options?.num_ctx ?? DEFAULT_CONTEXT_TOKENS;
  const forAnswer = task.options?.max_tokens ?? Math.ceil(size / 4);
  let left = size - forAnswer - estimateMessages(conversationOf(withSystem));
  let earlier: ChatMessage[] = [];
  let cut = isLonger ? 1 : 0;
  let isFull = false;
  for (const turn of turns) {
    const messages = messagesOf(turn);
    left -= estimateMessages(messages);
    isFull ||= left < 0;
    if (isFull) cut += messages.length;
    else earlier = [...messages, ...earlier];
  }
  const { system: _none, ...own } = task;
  return {
    task: {
      ...rest,
      ...(system === undefined ? {} : { system }),
      messages: [...earlier, ...conversationOf(own)],
    },
    context: { messages: earlier.length, cut },
  };
}

/** What was said in a turn, without its system prompt. */
function messagesOf({ task, answer }: Turn): ChatMessage[] {
  const { system: _system, ...rest } = task;
  return [...conversationOf(rest), { role: 'assistant', content: answer }];
}
