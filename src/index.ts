/**
 * llm-bridge for programs: ask a bridge, answer one, make one, read its state.
 *
 * ```ts
 * import { ask } from 'git-llm-bridge';
 * const outcome = await ask({ repo: '/srv/llm-bridge/bridge.git', task: { prompt: '2+2' } });
 * if (outcome.status === 'answered') console.log(outcome.answer.answer ?? outcome.answer.error);
 * ```
 *
 * Everything thrown is a BridgeError, or the reason of a signal that you aborted.
 */
import { type AskOptions, type AskOutcome, ask as askThrough } from './asker/ask.js';
import { askPieces, type PieceOrOutcome } from './asker/ask-pieces.js';
import { draftTask } from './asker/task-draft.js';
import type { BridgeAccess } from './bridge/connection.js';
import type { SshOptions } from './bridge/ssh-settings.js';
import type { TaskJson } from './protocol/task.js';

export { type InitResult, initBridge } from './admin/init.js';
export type { AgentLog, LogFields, LogLevel, OnTaskText } from './agent/agent-options.js';
export { type Agent, type CreateAgentOptions, createAgent } from './agent/create-agent.js';
export type { AnswerPiece } from './asker/answer-pieces.js';
export type { AskOutcome } from './asker/ask.js';
export type { PieceOrOutcome } from './asker/ask-pieces.js';
export type { SshOptions } from './bridge/ssh-settings.js';
export { type Answer, type AnswerError, answerSchema } from './protocol/answer.js';
export { BridgeError } from './protocol/bridge-error.js';
export { type LogRecord, logRecordSchema } from './protocol/log-record.js';
export type { TaskRequest, TaskResponse } from './protocol/request.js';
export { type TaskJson, taskJsonSchema } from './protocol/task.js';

/** What to ask, and how. Times are milliseconds. */
export interface AskRequest {
  /** `ssh://user@host/path`, `user@host:path`, or a local path. */
  readonly repo: string;
  /**
   * The fields of a `task.json`; `id` and `asked_at` are added. What `reply_to` begins, or is, has to have a
   * good answer.
   */
  readonly task: TaskJson;
  /** Take the answer of an equal task where there is one. Default: false. */
  readonly dedup?: boolean;
  /** Come back as soon as the task is asked, with status `asked`. Default: false. */
  readonly noWait?: boolean;
  /**
   * Stop waiting after so long, with status `waiting`; the task stays asked. Default: as long as the task
   * lives.
   */
  readonly timeoutMs?: number;
  /** Who asks, where no key says it. Default: the login name. */
  readonly name?: string;
  readonly ssh?: SshOptions;
  /** The environment for git and ssh. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Called once the task is on main, with its id. */
  readonly onAsked?: (task: string) => void;
}

/** Asks a bridge and waits for the answer. An error answer is an answer: look at `answer.error`. */
export async function ask(request: AskRequest): Promise<AskOutcome> {
  return askThrough(...asAsked(request));
}

/**
 * Asks a bridge, and says what the model does while it does: `{text}` and `{thinking}` are the next pieces
 * of the answer and of what is thought before it. `{restart}`: the model starts again, and what came before
 * is void. The last is `{outcome}`, as `ask` returns it; the text since the last restart then is
 * `outcome.answer.answer`, to the byte. Where nothing can be said meanwhile, the answer comes as one piece.
 * Leaving the loop ends the waiting, and the task stays asked.
 */
export function stream(request: AskRequest): AsyncGenerator<PieceOrOutcome, void, undefined> {
  return askPieces(...asAsked(request));
}

function asAsked(request: AskRequest): [BridgeAccess, AskOptions] {
  const { repo, task: fields, dedup = false, ssh, env = process.env, ...options } = request;
  const { reply_to: given, ...task } = fields;
  return [
    { repo, env, ssh },
    {
      ...options,
      replyTo: given,
      draft({ maxBytes, nowMs, replyTo, stream }) {
        const aloud = stream && !dedup ? { stream } : {};
        const reply = replyTo === undefined ? {} : { reply_to: replyTo };
        return draftTask({ ...task, ...reply, ...aloud }, { nowMs, maxBytes, dedup });
      },
    },
  ];
}
