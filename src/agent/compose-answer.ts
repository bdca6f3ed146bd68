import type { ObjectReader } from '../git/object-reader.js';
import { type Answer, writeAnswer } from '../protocol/answer.js';
import { readCancel } from '../protocol/cancel.js';
import { MAX_TASK_TEXT_CHARS } from '../protocol/limits.js';
import { oneLine } from '../protocol/printable.js';
import type { AskedTask, CancelledTask } from '../protocol/queue.js';
import { questionOf, type TaskJson } from '../protocol/task.js';
import { excerpt, toWellFormedJson } from '../protocol/text.js';
import type { GenerationOutcome } from './generate/generate-answer.js';
import { readAskedTask } from './queue/read-task.js';

/** What an answer says besides what the model did. */
export interface AnswerFrame {
  readonly taskId: string;
  readonly hash: string;
  readonly task: TaskJson | null;
  readonly agent: string;
  readonly latencyMs: number;
  /** By the server's clock, as far as it is known. */
  readonly nowMs: number;
  readonly maxAnswerBytes: number;
}

/**
 * Puts an outcome into the form of an `inbox.json`. What would be too large for the bridge loses first its
 * thinking, then the repeated question, and is at last an error `answer_too_large`.
 */
export function composeAnswer(frame: AnswerFrame, outcome: GenerationOutcome, cached = false): Answer {
  // A model server can say half a character, and no message may have one.
  const whole: Answer = toWellFormedJson({
    task_hash: frame.hash,
    task_commit: frame.taskId,
    ...(frame.task === null ? {} : { task_text: excerpt(questionOf(frame.task), MAX_TASK_TEXT_CHARS) }),
    model: outcome.model === null ? null : excerpt(outcome.model, 256),
    backend: outcome.backend,
    answer: outcome.answer,
    error: outcome.error,
    created_at: new Date(frame.nowMs).toISOString(),
    latency_ms: Math.max(0, Math.round(frame.latencyMs)),
    agent: frame.agent,
    ...(outcome.thinking ? { thinking: outcome.thinking } : {}),
    ...(outcome.finish_reason ? { finish_reason: excerpt(outcome.finish_reason, 64) } : {}),
    ...(outcome.usage === undefined ? {} : { usage: outcome.usage }),
    ...(outcome.attempts === undefined ? {} : { attempts: outcome.attempts }),
    ...(cached ? { cached: true } : {}),
    ...(outcome.context === undefined ? {} : { context: outcome.context }),
  });
  const { thinking: _thinking, ...withoutThinking } = whole;
  const { task_text: _text, ...bare } = withoutThinking;
  const size = writeAnswer(bare).length;
  const message = `the answer has ${size} bytes, the bridge takes ${frame.maxAnswerBytes}; ask for less, or raise bridge.maxAnswerBytes`;
  const tooLarge: Answer = { ...bare, answer: null, error: { code: 'answer_too_large', message } };
  const fits = (one: Answer) => writeAnswer(one).length <= frame.maxAnswerBytes;
  return [whole, withoutThinking, bare].find(fits) ?? tooLarge;
}

/** The outcome an earlier, equal task had, for a cached answer. How many attempts that took is its own. */
export function outcomeOfEarlier(answer: Answer): GenerationOutcome {
  const { model, backend, answer: text, error, thinking, finish_reason, usage, context } = answer;
  return {
    model,
    backend,
    answer: text,
    error,
    ...(thinking === undefined ? {} : { thinking }),
    ...(finish_reason === undefined ? {} : { finish_reason }),
    ...(usage === undefined ? {} : { usage }),
    ...(context === undefined ? {} : { context }),
  };
}

/** What answering a cancelled task needs. */
export interface CancelledContext {
  readonly reader: ObjectReader;
  readonly agent: string;
  readonly maxTaskBytes: number;
  readonly maxAnswerBytes: number;
  /** The server's clock. */
  readonly now: () => number;
  /** How long it was worked on. Milliseconds. */
  readonly latencyMs: number;
}

/** The answer to a cancelled task: the error `cancelled`, with who cancelled and why. Asks no model. */
export async function answerCancelled(
  scope: CancelledContext,
  asked: AskedTask,
  cancel: CancelledTask,
): Promise<Answer> {
  const { hash, task } = await readAskedTask(scope.reader, asked, scope.maxTaskBytes);
  const blob = await scope.reader.read(cancel.blob);
  const read = blob === null ? null : readCancel(blob.content);
  const why = read?.ok && read.value.reason !== undefined ? `: ${oneLine(read.value.reason)}` : '';
  return composeAnswer(
    {
      taskId: asked.id,
      hash,
      task,
      agent: scope.agent,
      latencyMs: scope.latencyMs,
      nowMs: scope.now(),
      maxAnswerBytes: scope.maxAnswerBytes,
    },
    {
      model: null,
      backend: null,
      answer: null,
      error: { code: 'cancelled', message: `cancelled by ${oneLine(cancel.by)}${why}` },
    },
  );
}
