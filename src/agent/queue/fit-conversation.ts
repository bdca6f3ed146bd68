import type { AnswerContext } from '../../protocol/answer.js';
import { estimateMessages } from '../../protocol/estimate-tokens.js';
import { DEFAULT_CONTEXT_TOKENS } from '../../protocol/limits.js';
import { type ChatMessage, conversationOf, type TaskJson } from '../../protocol/task.js';
import { type Backend, BackendError, type GenerateRequest, type Generation } from '../backends/backend.js';

/** An earlier task of a conversation, and its answer. */
export interface Turn {
  readonly task: TaskJson;
  readonly answer: string;
}

/** What was said before a task. */
export interface Earlier {
  /** The newest first. */
  readonly turns: readonly Turn[];
  /** The conversation has more turns before these. */
  readonly isLonger: boolean;
}

/** A task with the conversation before it. */
export interface Continued {
  readonly task: TaskJson;
  readonly context: AnswerContext;
}

/**
 * Puts earlier turns, the newest first, in front of a task: as many as fit into its context by the estimate,
 * beside the room for the answer, which is `max_tokens` or a quarter of the context. The context is
 * `num_ctx`, at most `longest`, the longest that its model gets, in tokens (null: nobody knows it); where
 * there is neither, it is the default. The oldest turns are cut first, question and answer together. The
 * system prompt is the task's own, or that of the newest turn that has one. It is never cut.
 */
export function fitConversation(
  task: TaskJson,
  { turns, isLonger }: Earlier,
  longest: number | null,
): Continued {
  const { prompt: _prompt, ...rest } = task;
  const system = task.system ?? turns.find((turn) => turn.task.system !== undefined)?.task.system;
  const withSystem = system === undefined ? task : { ...task, system };
  const wanted = task.options?.num_ctx ?? longest ?? DEFAULT_CONTEXT_TOKENS;
  const size = Math.min(wanted, longest ?? wanted);
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

/** What generating a reply needs besides the task. */
export interface Reply {
  readonly earlier: Earlier;
  /** The request of the task alone. */
  readonly request: GenerateRequest;
  /** The longest context that its model gets, in tokens; null where nobody says. */
  readonly longest: () => Promise<number | null>;
  /** Called before each generation with how much of the conversation is sent. */
  readonly onFitted: (context: AnswerContext) => void;
  readonly generate: (request: GenerateRequest) => Promise<Generation>;
}

/**
 * Generates with as much of the conversation before a task as fits by the estimate, and with less of it
 * where the server counts more and says that it does not fit. Throws as `generate` does.
 */
export async function generateReply(task: TaskJson, reply: Reply): Promise<Generation> {
  const { earlier, request, onFitted, generate } = reply;
  let longest = await reply.longest();
  for (let fitted = fitConversation(task, earlier, longest); ; ) {
    onFitted(fitted.context);
    try {
      return await generate({ ...request, messages: conversationOf(fitted.task) });
    } catch (error) {
      const { messages } = fitted.context;
      if (!isOverflow(error) || messages === 0) throw error;
      longest ??= task.options?.num_ctx ?? DEFAULT_CONTEXT_TOKENS;
      for (; fitted.context.messages === messages; longest = Math.floor(longest / 2)) {
        fitted = fitConversation(task, earlier, longest);
      }
    }
  }
}

/** As `Backend` has it, and null for a model that the backend refuses to look up. */
export async function longestContext(
  backend: Backend,
  model: string,
  signal: AbortSignal,
): Promise<number | null> {
  try {
    return (await backend.longestContext?.(model, signal)) ?? null;
  } catch (error) {
    // The generation will say what is wrong with the model, and with more words.
    if (error instanceof BackendError && error.code !== 'backend_unreachable') return null;
    throw error;
  }
}

function isOverflow(error: unknown): boolean {
  return error instanceof BackendError && error.code === 'context_overflow';
}
