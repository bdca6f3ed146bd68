import type { ObjectReader } from '../git/object-reader.js';
import { type Answer, isReusable, readKeptAnswer } from '../protocol/answer.js';
import { readCancel } from '../protocol/cancel.js';
import { oneLine } from '../protocol/printable.js';
import { type AskedTask, type CancelledTask, equalTaskKey } from '../protocol/queue.js';
import type { TaskJson } from '../protocol/task.js';
import type { GenerateSettings } from './agent-options.js';
import type { OnToken } from './backends/backend.js';
import {
  type AnswerFrame,
  composeAnswer,
  type GenerationOutcome,
  outcomeOfEarlier,
  unaskedOutcome,
} from './compose-answer.js';
import { generateAnswer } from './generate/generate-answer.js';
import type { EqualTasks } from './queue/equal-tasks.js';
import type { Earlier } from './queue/fit-conversation.js';
import { readAskedTask, type TaskContent } from './queue/read-task.js';
import { type ConversationContext, readTurns } from './queue/read-turns.js';
import { runRequest } from './requests/run-request.js';
import type { TaskStream } from './streams/task-stream.js';

/** What answering one task needs. */
export interface TaskContext extends ConversationContext {
  readonly generate: GenerateSettings;
  readonly agent: string;
  readonly maxAnswerBytes: number;
  /** See AnswerFrame. */
  readonly saysCloud: boolean;
  /** The server's clock. */
  readonly now: () => number;
  /** The blob of a good answer to an equal task (`equalTaskKey`), on main already. */
  readonly goodAnswer: (key: string) => string | undefined;
  readonly equal: EqualTasks;
  /** Called with every piece of text that the model says. */
  readonly onText: (text: string) => void;
  /** Opens the stream of this task; null where the bridge has none. */
  readonly openStream: () => TaskStream | null;
}

/**
 * Answers one task: from the answer to an equal task where there is a good one, else by a model. Never
 * throws for what a model did. Throws ForbiddenHere where the task, or one that it continues, forbids every
 * model server of this agent.
 */
export async function runTask(scope: TaskContext, asked: AskedTask): Promise<Answer> {
  const startedAtMs = performance.now();
  const content = await readAskedTask(scope.reader, asked, scope.maxTaskBytes);
  const compose = (outcome: GenerationOutcome, cached = false) => {
    const latencyMs = performance.now() - startedAtMs;
    return composeAnswer(frameOf({ ...scope, latencyMs }, asked, content), outcome, cached);
  };
  if (content.task === null) return compose(unaskedOutcome('invalid_task', content.reason));
  const { task, hash } = content;
  // A request is never reused. It has an id, so it is equal to none, unless two were given the same one.
  if (task.request !== undefined) return compose(await generateAloud(scope, asked.id, task));
  const reuse = (earlier: Answer) => compose(outcomeOfEarlier(earlier), true);
  const key = equalTaskKey(asked.file, hash);
  const answer = async () => {
    const earlier = await readGoodAnswer(scope, key);
    return earlier === null ? compose(await generateAloud(scope, asked.id, task)) : reuse(earlier);
  };
  return scope.equal.answer(key, answer, reuse);
}

/**
 * Generates, and streams what is generated where the task asks for that. The answer does not depend on the
 * stream.
 */
async function generateAloud(scope: TaskContext, id: string, task: TaskJson): Promise<GenerationOutcome> {
  const stream = task.stream === true ? scope.openStream() : null;
  try {
    const outcome = await generateTask(scope, id, task, (sign) => {
      if (sign.type === 'piece') scope.onText(sign.thinking + sign.content);
      stream?.heard(sign);
    });
    stream?.end();
    return outcome;
  } finally {
    stream?.drop();
  }
}

/**
 * A call is passed on. A reply goes to the model with the conversation before it; where that cannot be read,
 * it is the error `context_missing`.
 */
async function generateTask(
  scope: TaskContext,
  id: string,
  task: TaskJson,
  onToken: OnToken,
): Promise<GenerationOutcome> {
  const generate = (earlier?: Earlier, asked = task) =>
    generateAnswer(asked, scope.generate, scope.signal, onToken, earlier);
  const { request } = task;
  if (request !== undefined) return runRequest({ ...task, request }, scope.generate, scope.signal, onToken);
  if (task.reply_to === undefined) return generate();
  const found = await readTurns(scope, id, task.reply_to);
  if (!found.ok) {
    return unaskedOutcome('context_missing', `it continues a conversation, and ${found.reason}`);
  }
  // What was said under `local_only` must not leave with a later question.
  const isKept = found.turns.some((turn) => turn.task.local_only === true);
  return generate(found, isKept ? { ...task, local_only: true } : task);
}

async function readGoodAnswer(scope: TaskContext, key: string): Promise<Answer | null> {
  const blobId = scope.goodAnswer(key);
  const blob = blobId === undefined ? null : await scope.reader.read(blobId);
  const answer = readKeptAnswer(blob?.content);
  return answer !== null && isReusable(answer) ? answer : null;
}

/** What answering a cancelled task needs. */
export interface CancelledContext {
  readonly reader: ObjectReader;
  readonly agent: string;
  readonly maxTaskBytes: number;
  readonly maxAnswerBytes: number;
  /** See AnswerFrame. */
  readonly saysCloud: boolean;
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
  const content = await readAskedTask(scope.reader, asked, scope.maxTaskBytes);
  const blob = await scope.reader.read(cancel.blob);
  const read = blob === null ? null : readCancel(blob.content);
  const why = read?.ok && read.value.reason !== undefined ? `: ${oneLine(read.value.reason)}` : '';
  const outcome = unaskedOutcome('cancelled', `cancelled by ${oneLine(cancel.by)}${why}`);
  return composeAnswer(frameOf(scope, asked, content), outcome);
}

function frameOf(
  { agent, latencyMs, now, maxAnswerBytes, saysCloud }: Omit<CancelledContext, 'reader' | 'maxTaskBytes'>,
  { id }: AskedTask,
  { hash, task }: TaskContent,
): AnswerFrame {
  return { taskId: id, hash, task, agent, latencyMs, nowMs: now(), maxAnswerBytes, saysCloud };
}
