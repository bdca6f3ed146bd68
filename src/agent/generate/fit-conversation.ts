import type { AnswerContext } from '../../protocol/answer.js';
import { estimateMessages } from '../../protocol/estimate-tokens.js';
import { DEFAULT_CONTEXT_TOKENS } from '../../protocol/limits.js';
import { type ChatMessage, conversationOf, type TaskJson } from '../../protocol/task.js';

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
 * Puts earlier turns, the newest first, in front of a task, as many as fit into its context by the estimate: `num_ctx`, or a default,
 * without the room for the answer, `max_tokens` or a quarter. The oldest are cut first, question and answer together. The system prompt is
 * the task's own, or that of the newest turn that has one, and stays. `isLonger`: there are turns before these.
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
