import type { AnswerErrorCode } from '../../protocol/answer.js';
import { errorText } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';
import { type Backend, BackendError } from './backend.js';
import type { CalledBackend } from './called-backend.js';
import { type FailureKind, kindOfFailure } from './failure-rules.js';
import { TooManyBytes } from './http-exchange.js';
import { readRetryAfter, readServerError } from './server-error.js';
import { HttpFailure, ResponseTimeout, type Transport } from './transport.js';

/**
 * The longest message of an error answer, in characters: a few lines of a chat, however much the server
 * sent.
 */
export const MAX_ERROR_MESSAGE_CHARS = 1000;

/**
 * A BackendError about this backend: `ollama at http://…: text`, one line without control characters,
 * bounded.
 */
export function backendError(
  backend: Pick<Backend, 'name' | 'url'>,
  code: AnswerErrorCode,
  text: string,
  cause?: unknown,
): BackendError {
  const message = `${backend.name} at ${backend.url}: ${text}`;
  // Cut before it is cleaned as well: a server may send a megabyte.
  const bounded = excerpt(oneLine(message.slice(0, MAX_ERROR_MESSAGE_CHARS * 4)), MAX_ERROR_MESSAGE_CHARS);
  return new BackendError(code, bounded, cause === undefined ? undefined : { cause });
}

/** The BackendError of a server that went away before its answer was complete: its kind is `lost`. */
export function lostError(
  backend: Pick<Backend, 'name' | 'url'>,
  text: string,
  cause?: unknown,
): BackendError {
  return errorOfKind(backendError(backend, 'backend_error', text, cause), 'lost');
}

/** The BackendError of a server that lacks what another one may have: its kind is `elsewhere`. */
export function elsewhereError(
  backend: Pick<Backend, 'name' | 'url'>,
  code: AnswerErrorCode,
  text: string,
): BackendError {
  return errorOfKind(backendError(backend, code, text), 'elsewhere');
}

function errorOfKind(
  error: BackendError,
  kind: FailureKind,
  retryAfterMs: number | null = null,
): BackendError {
  return new BackendError(error.code, error.message, { cause: error.cause, kind, retryAfterMs });
}

/** What a server said in the middle of a stream, in its own words: `{"error": …}` in place of a piece. */
export class StreamFailure extends Error {
  override readonly name = 'StreamFailure';
}

/**
 * Runs one call to a model server and makes its every failure a BackendError; after `signal` is aborted,
 * throws the signal's reason instead. Closes the transport in the end.
 */
export async function callBackend<T>(
  backend: CalledBackend,
  transport: Transport,
  signal: AbortSignal,
  call: () => Promise<T>,
): Promise<T> {
  try {
    const result = await call();
    signal.throwIfAborted();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    // The failure of fetch goes before what an SDK made of it: the OpenAI client drops the cause of every
    // error that has "timeout" in its text, also of a refused connection.
    const failure = classify(backend, transport.failure() ?? error);
    failure.message = transport.withoutToken(failure.message);
    throw failure;
  } finally {
    await transport.close();
  }
}

function classify(backend: CalledBackend, error: unknown): BackendError {
  if (error instanceof BackendError) return error;
  if (error instanceof HttpFailure) {
    const retryAfterMs = readRetryAfter(error.retryAfter, Date.now());
    return toldError(backend, { status: error.status, text: error.body, retryAfterMs }, error);
  }
  if (error instanceof StreamFailure) {
    return toldError(backend, { status: null, text: error.message, retryAfterMs: null }, error);
  }
  if (error instanceof ResponseTimeout) return backendError(backend, 'timeout', error.message, error);
  if (error instanceof TooManyBytes) return backendError(backend, 'backend_error', error.message, error);
  const unreachable = connectionFailureCode(error);
  if (unreachable !== null) {
    return backendError(backend, 'backend_unreachable', `cannot be reached (${unreachable})`, error);
  }
  const wire = wireCode(error);
  if (wire !== null && kindOfFailure(backend.failures, { wire }) === 'lost') {
    return lostError(backend, 'the connection was lost before the answer was complete', error);
  }
  if (error instanceof SyntaxError) {
    return backendError(backend, 'backend_error', 'sent something that is not JSON', error);
  }
  // Ollama's client, of a body that ended in good order before the answer did.
  if (/^Did not receive done/.test(errorText(error))) return lostError(backend, errorText(error), error);
  const said = readServerError(errorText(error));
  return backendError(backend, said.code, said.text === '' ? 'failed and did not say why' : said.text, error);
}

/**
 * The error for what a server said. Only a failure of the server itself may pass; what is wrong with the
 * task is final.
 */
function toldError(
  backend: CalledBackend,
  told: { readonly status: number | null; readonly text: string; readonly retryAfterMs: number | null },
  cause: Error,
): BackendError {
  const said = readServerError(told.text);
  if (told.status === 401 || told.status === 403) {
    const words = said.text === '' ? '' : `: ${said.text}`;
    const text = `HTTP ${told.status}${words}; try: ${backend.unauthorizedRemedy}`;
    return backendError(backend, 'backend_unauthorized', text, cause);
  }
  const words = said.code === 'no_model' ? `${said.text}; try: ${backend.noModelRemedy}` : said.text;
  const status = told.status === null ? [] : [`HTTP ${told.status}`];
  const text = [...status, ...(words === '' ? [] : [words])].join(': ');
  const error = backendError(backend, said.code, text === '' ? 'failed and did not say why' : text, cause);
  if (said.code !== 'backend_error') return error;
  return errorOfKind(error, kindOfFailure(backend.failures, { ...told, text: said.text }), told.retryAfterMs);
}

/** The codes of a connection that was never made: of Node's `connect` and `getaddrinfo`. */
const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'ECONNABORTED',
]);

/**
 * The code of a connection that could not be made, or null where the error is another. Looks along `cause`,
 * for the SDKs wrap what they are told, and into the errors of an AggregateError, which is what several
 * addresses fail with. A code with a `syscall` other than connecting is a connection that was made and then
 * lost: null.
 */
export function connectionFailureCode(error: unknown): string | null {
  for (let depth = 0, at: unknown = error; depth < 8 && at instanceof Error; depth++, at = at.cause) {
    if (at instanceof AggregateError && at.errors.length > 0) {
      const codes = at.errors.map(connectionFailureCode);
      return codes.includes(null) ? null : (codes[0] ?? null);
    }
    const { code, syscall } = at as NodeJS.ErrnoException;
    if (code !== undefined && CONNECTION_CODES.has(code)) {
      return syscall === undefined || syscall === 'connect' || syscall === 'getaddrinfo' ? code : null;
    }
  }
  return null;
}

/** The code of a socket that closed under a request or a body, or of a server that does not speak HTTP. */
function wireCode(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  return ((error.cause ?? error) as NodeJS.ErrnoException).code ?? null;
}
