import { type Answer, type AnswerErrorCode, MAX_DROPPED, writeAnswer } from '../protocol/answer.js';
import { errorText } from '../protocol/bridge-error.js';
import { MAX_JSON_DEPTH, MAX_JSON_PARTS, MAX_TASK_TEXT_CHARS } from '../protocol/limits.js';
import { oneLine } from '../protocol/printable.js';
import { hasMoreJsonParts } from '../protocol/strict-json.js';
import { questionOf, type TaskJson } from '../protocol/task.js';
import { excerpt, toWellFormedJson } from '../protocol/text.js';
import { type Backend, BackendError, type Generation } from './backends/backend.js';
import { MAX_ERROR_MESSAGE_CHARS } from './backends/backend-failure.js';
import { type BackendName, backendNamed, DEFAULT_BACKEND_ORDER } from './backends/backends.js';
import { legalResponse } from './legal-response.js';

/**
 * The fields of an `inbox.json` that come from a model server. `error` is null where there is an `answer`,
 * or a `response` with a status below 400.
 */
export type GenerationOutcome = Pick<
  Answer,
  | 'model'
  | 'backend'
  | 'answer'
  | 'error'
  | 'response'
  | 'thinking'
  | 'finish_reason'
  | 'usage'
  | 'attempts'
  | 'context'
  | 'dropped'
  | 'cloud'
>;

/** What an answer says beside what the model did. */
export interface AnswerFrame {
  readonly taskId: string;
  readonly hash: string;
  readonly task: TaskJson | null;
  readonly agent: string;
  readonly latencyMs: number;
  /** By the server's clock, as far as it is known. */
  readonly nowMs: number;
  readonly maxAnswerBytes: number;
  /**
   * Whether the server takes the field `cloud`, which says that a third party was asked: an older one would
   * refuse the answer. Default: true.
   */
  readonly saysCloud?: boolean;
}

/**
 * Puts an outcome into the form of an `inbox.json`. An answer that is too large for the bridge first loses
 * its thinking, then the repeated question, and at last becomes the error `answer_too_large`. A refusal of
 * an API stays that error, and loses its response.
 */
export function composeAnswer(frame: AnswerFrame, outcome: GenerationOutcome, cached = false): Answer {
  const response = outcome.response === undefined ? undefined : legalResponse(outcome.response);
  if (response === null) return composeAnswer(frame, withoutResponse(outcome), cached);
  const dropped = (outcome.dropped ?? []).filter((field) => field !== '').slice(0, MAX_DROPPED);
  // A model server can send a lone surrogate, and no message may have one. The response has none any more.
  const whole: Answer = {
    ...toWellFormedJson({
      task_hash: frame.hash,
      task_commit: frame.taskId,
      ...(frame.task === null ? {} : { task_text: excerpt(questionOf(frame.task), MAX_TASK_TEXT_CHARS) }),
      model: outcome.model === null ? null : excerpt(outcome.model, 256),
      backend: outcome.backend,
      // Many APIs say an empty text where there is none, as with a call of a tool.
      answer: outcome.answer === '' ? null : outcome.answer,
      error: outcome.error,
    }),
    ...(response === undefined ? {} : { response }),
    ...toWellFormedJson({
      created_at: new Date(frame.nowMs).toISOString(),
      latency_ms: Math.max(0, Math.round(frame.latencyMs)),
      agent: frame.agent,
      ...(outcome.thinking ? { thinking: outcome.thinking } : {}),
      ...(outcome.finish_reason ? { finish_reason: excerpt(outcome.finish_reason, 64) } : {}),
      ...(outcome.usage === undefined ? {} : { usage: outcome.usage }),
      ...(outcome.attempts === undefined ? {} : { attempts: outcome.attempts }),
      ...(cached ? { cached: true } : {}),
      ...(outcome.context === undefined ? {} : { context: outcome.context }),
      ...(dropped.length === 0 ? {} : { dropped: dropped.map((field) => excerpt(field, 128)) }),
      ...(outcome.cloud === true && frame.saysCloud !== false ? { cloud: true } : {}),
    }),
  };
  const { thinking: _thinking, ...withoutThinking } = whole;
  const { task_text: _text, ...bare } = withoutThinking;
  const { response: _response, ...least } = bare;
  const size = writeAnswer(bare).length;
  const message =
    size > frame.maxAnswerBytes
      ? `the answer has ${size} bytes, the bridge takes ${frame.maxAnswerBytes}; ask for less, or raise bridge.maxAnswerBytes`
      : `the answer has more than ${MAX_JSON_PARTS} objects, lists and strings; ask for less`;
  const tooLarge: Answer = { ...least, answer: null, error: { code: 'answer_too_large', message } };
  const fits = (one: Answer) => {
    const bytes = writeAnswer(one);
    return bytes.length <= frame.maxAnswerBytes && !hasMoreJsonParts(bytes.toString(), MAX_JSON_PARTS);
  };
  const shed = [whole, withoutThinking, bare, ...(least.error === null ? [] : [least])];
  return shed.find(fits) ?? tooLarge;
}

/** The outcome where no message can hold the response. A refusal keeps the words of its error. */
function withoutResponse({ response: _response, ...outcome }: GenerationOutcome): GenerationOutcome {
  const message = `the response nests deeper than the ${MAX_JSON_DEPTH} levels that a message may have`;
  return { ...outcome, answer: null, error: outcome.error ?? { code: 'backend_error', message } };
}

/** The outcome of a generation. */
export function outcomeOf(backend: Backend, generation: Generation): GenerationOutcome {
  return {
    model: generation.model,
    backend: backend.name,
    answer: generation.answer,
    error: null,
    ...(generation.thinking === undefined ? {} : { thinking: generation.thinking }),
    ...(generation.finishReason === undefined ? {} : { finish_reason: generation.finishReason }),
    ...(generation.usage === undefined ? {} : { usage: generation.usage }),
  };
}

/** The outcome where no model was asked. */
export function unaskedOutcome(code: AnswerErrorCode, message: string): GenerationOutcome {
  return { model: null, backend: null, answer: null, error: { code, message } };
}

/** The outcome for a backend that we do not know. A later version may: the protocol takes any word. */
export function unknownBackend(name: string): GenerationOutcome {
  const names = DEFAULT_BACKEND_ORDER.join(', ');
  return unaskedOutcome('unknown_backend', `this agent knows no backend "${name}"; it has ${names}`);
}

/** The outcome for a backend that the agent has no address of. */
export function withoutAddress(name: BackendName): GenerationOutcome {
  const { urlOption } = backendNamed(name);
  return unaskedOutcome('unknown_backend', `this agent was given no address of ${name}: --${urlOption}`);
}

/** The outcome of a failure. It names the model that was asked last. */
export function failedOutcome(
  error: unknown,
  asked: Pick<GenerationOutcome, 'backend' | 'model'>,
): GenerationOutcome {
  const code = error instanceof BackendError ? error.code : 'backend_error';
  const message = excerpt(oneLine(errorText(error)), MAX_ERROR_MESSAGE_CHARS);
  // Where no model server could be reached, no model was chosen.
  const { backend, model } = code === 'backend_unreachable' ? { backend: null, model: null } : asked;
  const { thinking, finishReason } = error instanceof BackendError ? error.said : {};
  return {
    model,
    backend,
    answer: null,
    error: { code, message: message === '' ? code : message },
    ...(thinking === undefined ? {} : { thinking }),
    ...(finishReason === undefined ? {} : { finish_reason: finishReason }),
  };
}

/** The outcome that an earlier, equal task had, for a cached answer; without its number of attempts. */
export function outcomeOfEarlier(answer: Answer): GenerationOutcome {
  const { model, backend, answer: text, error, thinking, finish_reason, usage, context, cloud } = answer;
  return {
    model,
    backend,
    answer: text,
    error,
    ...(thinking === undefined ? {} : { thinking }),
    ...(finish_reason === undefined ? {} : { finish_reason }),
    ...(usage === undefined ? {} : { usage }),
    ...(context === undefined ? {} : { context }),
    ...(cloud === undefined ? {} : { cloud }),
  };
}
