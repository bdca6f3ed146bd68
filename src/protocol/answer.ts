import * as z from 'zod';
import { DEFAULT_MAX_ANSWER_BYTES, MAX_TASK_TEXT_CHARS } from './limits.js';
import { backendNameSchema, commitIdSchema, modelNameSchema, principalNameSchema } from './names.js';
import { isRefusal, responseSchema, type TaskResponse } from './request.js';
import { type ReadResult, readStrictJson, stringifyEscaped } from './strict-json.js';
import { instantSchema } from './task.js';
import { textOf, textSchema } from './text.js';

/**
 * The stable codes of an error answer. The schema takes any snake_case code, so that an old server does not
 * refuse the answers of a newer agent.
 */
export const ANSWER_ERROR_CODES = [
  'model_not_found',
  'model_cannot_chat',
  'cloud_model',
  'no_model',
  'backend_unreachable',
  'backend_unauthorized',
  'backend_error',
  'timeout',
  'empty_answer',
  'invalid_format',
  'invalid_schema',
  'invalid_task',
  'context_overflow',
  'answer_too_large',
  'answer_refused',
  'wrong_model',
  'unknown_backend',
  'cancelled',
  'context_missing',
  'request_refused',
  'backend_refused',
] as const;
export type AnswerErrorCode = (typeof ANSWER_ERROR_CODES)[number];

/** Why a task has no answer. */
export const answerErrorSchema = z.strictObject({
  code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be snake_case'),
  message: textSchema.min(1),
});
export type AnswerError = z.infer<typeof answerErrorSchema>;

const count = z.int().min(0);

/** Tokens, as the backend counted them. */
export const usageSchema = z.strictObject({
  prompt_tokens: count.optional(),
  completion_tokens: count.optional(),
});
export type Usage = z.infer<typeof usageSchema>;

/**
 * For a reply: how many earlier messages of the conversation went to the model, and how many were left out.
 */
const answerContextSchema = z.strictObject({ messages: count, cut: count });
export type AnswerContext = z.infer<typeof answerContextSchema>;

/** The most fields of a request that an answer names as left out. */
export const MAX_DROPPED = 64;

/** Whether there is something to give to the asker: the response of an API that is no refusal, or a text. */
function isGood(inbox: {
  readonly answer: string | null;
  readonly response?: TaskResponse | undefined;
}): boolean {
  return inbox.response === undefined ? inbox.answer !== null : !isRefusal(inbox.response);
}

/**
 * `inbox.json`: the answer to one task. `model` and `backend` are null only where an
 * error came before they were chosen.
 */
export const answerSchema = z
  .strictObject({
    task_hash: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex'),
    task_commit: commitIdSchema,
    task_text: textOf(0, MAX_TASK_TEXT_CHARS).optional(),
    model: modelNameSchema.nullable(),
    backend: backendNameSchema.nullable(),
    answer: textSchema.min(1).nullable(),
    error: answerErrorSchema.nullable(),
    response: responseSchema.optional(),
    created_at: instantSchema,
    latency_ms: count,
    agent: principalNameSchema,
    thinking: textSchema.optional(),
    finish_reason: textOf(1, 64).optional(),
    usage: usageSchema.optional(),
    attempts: z.int().min(1).optional(),
    cached: z.boolean().optional(),
    context: answerContextSchema.optional(),
    dropped: z.array(textOf(1, 128)).min(1).max(MAX_DROPPED).optional(),
    cloud: z.boolean().optional(),
  })
  .refine((inbox) => isGood(inbox) === (inbox.error === null), {
    error:
      'needs exactly one of "answer" (or a "response" with a status below 400) and "error", the other null',
  })
  .refine((inbox) => inbox.error === null || inbox.answer === null, {
    error: 'an error has no "answer"',
  })
  .refine((inbox) => inbox.error !== null || (inbox.model !== null && inbox.backend !== null), {
    error: 'an answer needs its "model" and its "backend"',
  })
  .refine((inbox) => inbox.response === undefined || inbox.cached !== true, {
    error: 'a "response" is never that of an equal task',
    path: ['cached'],
  });
export type Answer = z.infer<typeof answerSchema>;

/** What a person is shown of an answer that is no error: its text, or where it has none, `response 200`. */
export function textOfAnswer({
  answer,
  response,
}: {
  readonly answer: string | null;
  readonly response?: Pick<TaskResponse, 'status'> | undefined;
}): string {
  return answer ?? `response ${response?.status}`;
}

/**
 * True where the model stopped because it had no room left: at `max_tokens`, or at the end of its context.
 */
export function isCutShort(answer: Pick<Answer, 'finish_reason'>): boolean {
  return answer.finish_reason === 'length';
}

/** The `finish_reason` of a model that repeated itself without end, and was stopped by the agent. */
export const REPETITION = 'repetition';

/** True where the model repeated itself without end: the answer is what it had said until it was stopped. */
export function isRepetition(answer: Pick<Answer, 'finish_reason'>): boolean {
  return answer.finish_reason === REPETITION;
}

/**
 * True for an answer that may be reused for an equal task: the model ended it by itself, and it is no error.
 */
export function isReusable(answer: Answer): boolean {
  return (
    answer.response === undefined && answer.answer !== null && !isCutShort(answer) && !isRepetition(answer)
  );
}

/** Reads the bytes of an `inbox.json`. The reason for a refusal is worded to follow the name of the file. */
export function readAnswer(bytes: Uint8Array, maxBytes = DEFAULT_MAX_ANSWER_BYTES): ReadResult<Answer> {
  if (bytes.length > maxBytes)
    return { ok: false, reason: `has ${bytes.length} bytes; the limit is ${maxBytes}` };
  return readStrictJson(bytes, answerSchema);
}

/** Reads an `inbox.json` of history, as large as it was let in, or of a clone; null where it is none. */
export function readKeptAnswer(bytes: Uint8Array | undefined): Answer | null {
  const read = bytes === undefined ? null : readAnswer(bytes, Number.POSITIVE_INFINITY);
  return read?.ok ? read.value : null;
}

/**
 * The bytes of an `inbox.json`: two spaces of indent and a final newline, so that `git log -p` reads well.
 */
export function writeAnswer(answer: Answer): Buffer {
  return Buffer.from(`${stringifyEscaped(answer, 2)}\n`, 'utf8');
}
