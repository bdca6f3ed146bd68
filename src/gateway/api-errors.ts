import type { Answer } from '../protocol/answer.js';
import type { ApiForm } from './api-form.js';

/** What an ApiError says besides its message. */
export interface ApiErrorInit {
  /** The HTTP status: 400 to 599. */
  readonly status: number;
  /** A stable word for programs. */
  readonly code?: string | undefined;
  /** The field of the body that is wrong: `messages.0.content`. */
  readonly param?: string | undefined;
  /** The task in the record; left out where there is none. */
  readonly task?: string | undefined;
  /** Seconds after which the same call may succeed; only where it may. */
  readonly retryAfterS?: number | undefined;
  /** The methods that the path takes, where the method is what is wrong. */
  readonly allow?: readonly string[] | undefined;
  readonly cause?: unknown;
}

/**
 * A call that ends without an answer, in no API's form yet. The message is one or two sentences for a
 * person: what happened, and what mends it.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string | null;
  readonly param: string | null;
  readonly task: string | null;
  readonly retryAfterS: number | null;
  readonly allow: readonly string[];

  constructor(message: string, init: ApiErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.status = init.status;
    this.code = init.code ?? null;
    this.param = init.param ?? null;
    this.task = init.task ?? null;
    this.retryAfterS = init.retryAfterS ?? null;
    this.allow = init.allow ?? [];
  }
}

/** The body of an error in the form of an API, to be sent as JSON. */
export function errorBody(form: ApiForm, error: ApiError): Record<string, unknown> {
  if (form === 'api') return { error: error.message };
  if (form === 'messages') return { type: 'error', error: { type: kindOf(error), message: error.message } };
  return {
    error: {
      message: error.message,
      type: error.status >= 500 ? 'server_error' : 'invalid_request_error',
      param: error.param,
      code: error.code,
    },
  };
}

/** Anthropic's words for an error, by status; clients choose their own class by the status. */
function kindOf({ status }: ApiError): string {
  const kinds: Readonly<Record<number, string>> = {
    401: 'authentication_error',
    403: 'permission_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    503: 'overloaded_error',
    504: 'timeout_error',
  };
  return kinds[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}

/**
 * The headers of an error. `x-should-retry: false` tells the official clients, which try every 5xx twice
 * more, that it would be the same again.
 */
export function errorHeaders(error: ApiError): Record<string, string> {
  return {
    ...(error.allow.length === 0 ? {} : { allow: error.allow.join(', ') }),
    ...(error.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    ...(error.task === null ? {} : { 'x-llm-bridge-task': error.task }),
    ...(error.retryAfterS === null
      ? { 'x-should-retry': 'false' }
      : { 'retry-after': String(error.retryAfterS) }),
  };
}

/**
 * The error as the last event of a stream that has begun, with the blank line or line break that ends it.
 * `sequenceNumber`: of an event of `/v1/responses`, which counts them.
 */
export function errorEvent(form: ApiForm, path: string, error: ApiError, sequenceNumber = 0): string {
  const body = errorBody(form, error);
  if (form === 'api') return `${JSON.stringify(body)}\n`;
  if (form === 'messages') return `event: error\ndata: ${JSON.stringify(body)}\n\n`;
  if (path !== '/v1/responses') return `data: ${JSON.stringify(body)}\n\n`;
  const { code, message, param } = error;
  const event = { type: 'error', code, message, param, sequence_number: sequenceNumber };
  return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
}

/** What the codes of error answers mean over HTTP; every other code is 502: the other side failed. */
const ANSWER_STATUS: Readonly<Record<string, number>> = {
  model_not_found: 404,
  wrong_model: 404,
  model_cannot_chat: 400,
  invalid_schema: 400,
  invalid_task: 400,
  unknown_backend: 400,
  context_missing: 400,
  context_overflow: 400,
  request_refused: 400,
  cloud_model: 403,
  cancelled: 409,
  no_model: 503,
  backend_unreachable: 503,
  timeout: 504,
};

/** What OpenAI's own servers call the same; programs look for these words. */
const KNOWN_CODES: Readonly<Record<string, string>> = { context_overflow: 'context_length_exceeded' };

/** A client tries again after this time where a model server was away: it may be starting. Seconds. */
const RETRY_AFTER_S = 5;

/**
 * An error answer as an error of the call. The agent has already tried again where that could help, so a
 * client is told to try again only where a model server was away.
 */
export function errorOfAnswer(answer: Pick<Answer, 'error' | 'task_commit'>): ApiError {
  const { code = 'backend_error', message = 'there is no answer' } = answer.error ?? {};
  return new ApiError(`${message} (task ${answer.task_commit.slice(0, 12)})`, {
    status: ANSWER_STATUS[code] ?? 502,
    code: KNOWN_CODES[code] ?? code,
    param:
      code === 'request_refused' ? (/^[a-z_][\w.[\]]*(?=[: ])/i.exec(message)?.[0] ?? undefined) : undefined,
    task: answer.task_commit,
    retryAfterS: code === 'backend_unreachable' ? RETRY_AFTER_S : undefined,
  });
}
