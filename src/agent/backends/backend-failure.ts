import * as z from 'zod';
import type { AnswerErrorCode } from '../../protocol/answer.js';
import { errorText } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';
import { type Backend, BackendError } from './backend.js';
import type { BackendDescription } from './backend-description.js';
import { type FailureKind, kindOfFailure, MAX_SEARCHED_CHARS } from './failure-rules.js';
import { HttpFailure, ResponseTimeout, TooManyBytes, type Transport } from './http-exchange.js';
import { readRetryAfter } from './retry-after.js';

/**
 * The longest message of an error answer, in characters: a subject line or two of a chat, whatever the server
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
  return passingError(backendError(backend, 'backend_error', text, cause), 'lost');
}

function passingError(
  error: BackendError,
  kind: FailureKind,
  retryAfterMs: number | null = null,
): BackendError {
  return new BackendError(error.code, error.message, { cause: error.cause, kind, retryAfterMs });
}

/** What a server told in the middle of a stream, in its own words: `{"error": …}` in place of a piece. */
export class StreamFailure extends Error {
  override readonly name = 'StreamFailure';
}

/** What is known of a model server while it is called. */
export type CalledBackend = Omit<Backend, 'listModels' | 'generate'> & Pick<BackendDescription, 'failures'>;

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
    // What fetch failed with goes before what an SDK made of it: the OpenAI client drops the cause of
    // everything that has "timeout" in its text, a refused connection's included.
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

/** What a server told, and what becomes of it: what is wrong with the task itself is never asked again. */
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
  return passingError(
    error,
    kindOfFailure(backend.failures, { ...told, text: said.text }),
    told.retryAfterMs,
  );
}

/** The code of a socket that closed under a request or a body, or of a server that does not speak HTTP. */
function wireCode(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  return ((error.cause ?? error) as NodeJS.ErrnoException).code ?? null;
}

/** The codes of a connection that never came to be: node's `connect` and `getaddrinfo`. */
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

/** What a model server said went wrong. */
export interface ServerError {
  readonly code: Extract<
    AnswerErrorCode,
    'context_overflow' | 'no_model' | 'model_not_found' | 'backend_error'
  >;
  /** Its own words, not cleaned and not bounded. */
  readonly text: string;
}

const detailSchema = z.union([
  z.string().transform((message) => ({ message, code: undefined })),
  z.object({ message: z.string(), code: z.unknown().optional() }),
]);
/** `{"detail": …}` is what the web servers in Python say: FastAPI under vLLM, KoboldCpp. */
const pythonSchema = z.union([
  z.string().transform((message) => ({ message, code: undefined })),
  z.object({ msg: z.string() }).transform(({ msg }) => ({ message: msg, code: undefined })),
]);
const bodySchema = z.union([
  z.object({ error: detailSchema }).transform((body) => body.error),
  z.object({ detail: pythonSchema }).transform((body) => body.detail),
  detailSchema,
]);

/**
 * What the servers say of a prompt that does not fit, gathered from their sources and issue trackers:
 * Ollama: "the input length exceeds the context length", "prompt too long; exceeded max context length by 812
 * tokens", "the prompt is longer than the context length currently available to the model"; llama.cpp in
 * either: "the request exceeds the available context size", "Context size has been exceeded"; LM Studio:
 * "Trying to keep the first 15857 tokens when context the overflows" (sic; lmstudio-bug-tracker 237, 546),
 * "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)", "The number of tokens to keep from the
 * initial prompt is greater than the context length", "Reached context length of 4096 tokens"; OpenAI's own,
 * and vLLM's: "maximum context length is". llama.cpp with context shift: "input (8123 tokens) is larger than
 * the max context size (4096 tokens)"; vLLM besides: "the model's context length is only 8192 tokens"
 * (vllm/renderers/params.py), "The decoder prompt (length 9000) is longer than the maximum model length of
 * 8192" (vllm/v1/engine/processor.py), "max_tokens must be at least 1, got -186" (vllm-project/vllm#4667).
 * LocalAI hands on what its llama.cpp or vLLM said, behind "rpc error: code = … desc = "
 * (core/http/endpoints/openai/backend_errors.go).
 */
const CONTEXT_OVERFLOW = [
  /exceed\w{0,8} .{0,60}context (?:length|size|window)/i,
  /context (?:length|size|window) .{0,40}exceeded/i,
  /context (?:length|size|window) exceeded/i,
  /keep the first \d+ tokens/i,
  /tokens to keep from the initial prompt/i,
  /n_keep.{0,40}n_ctx/i,
  /context (?:the )?overflow/i,
  /longer than the context length/i,
  /reached context length/i,
  /maximum context length/i,
  /larger than the max context size/i,
  /context length is only/i,
  /longer than the maximum model length/i,
  /max_tokens must be at least 1, got -/i,
  /prompt (?:is )?too long/i,
];

/**
 * Reads the body of an error response, or an error's bare text: `{"error": "…"}` (Ollama, and LM Studio for
 * some), `{"error": {"message", "code"}}` (OpenAI), `{"message", "code"}` (older vLLM), `{"detail": …}`
 * (KoboldCpp), or plain text (Jan). The servers have no codes to rely on, so their wording decides.
 */
export function readServerError(body: string): ServerError {
  const { message: text, code } = readDetail(body);
  const message = text.slice(0, MAX_SEARCHED_CHARS);
  if (CONTEXT_OVERFLOW.some((wording) => wording.test(message))) return { code: 'context_overflow', text };
  // The second is Jan's: src-tauri/src/core/server/proxy.rs.
  if (/no models? (?:is |are )?(?:currently )?(?:loaded|available)/i.test(message)) {
    return { code: 'no_model', text };
  }
  // LM Studio gives its code model_not_found to a model that is there and could not be loaded, too.
  const couldNotLoad = /fail\w{0,8} to load|error loading|insufficient/i.test(message);
  const notFound =
    /\bmodel\b.{0,300}\b(?:not found|does not exist|not exist)|no running session found for model/is.test(
      message,
    );
  if (!couldNotLoad && (notFound || code === 'model_not_found')) return { code: 'model_not_found', text };
  return { code: 'backend_error', text };
}

function readDetail(body: string): { message: string; code?: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { message: body };
  }
  const read = bodySchema.safeParse(value);
  if (!read.success) return { message: body };
  // Ollama hands on what llama-server said as it is: the text of the error is JSON of an error.
  const { message } = read.data;
  return message.startsWith('{"error"') && message !== body ? readDetail(message) : read.data;
}
