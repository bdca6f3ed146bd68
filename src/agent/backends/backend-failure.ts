import type { AnswerErrorCode } from '../../protocol/answer.js';
import { errorText } from '../../protocol/bridge-error.js';
import { excerpt, oneLine } from '../../protocol/printable.js';
import { type Backend, BackendError } from './backend.js';
import { connectionFailureCode } from './connection-failure.js';
import { readServerError } from './server-error.js';
import { HttpFailure, type Transport } from './transport.js';

/** The longest message of an error answer, in characters: a subject line or two of a chat, whatever the server sent. */
export const MAX_ERROR_MESSAGE_CHARS = 1000;

/** A BackendError about this backend: `ollama at http://…: text`, one line without control characters, bounded. */
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

/** The BackendError of a server that went away before its answer was complete: `isLost`. */
export function lostError(
  backend: Pick<Backend, 'name' | 'url'>,
  text: string,
  cause?: unknown,
): BackendError {
  const { code, message } = backendError(backend, 'backend_error', text);
  return new BackendError(code, message, { isLost: true, ...(cause === undefined ? {} : { cause }) });
}

/**
 * Runs one call to a model server and makes its every failure a BackendError; after `signal` is aborted, throws the
 * signal's reason instead. Closes the transport in the end.
 */
export async function callBackend<T>(
  backend: Pick<Backend, 'name' | 'url' | 'noModelRemedy'>,
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
    // What fetch failed with goes before what an SDK made of it: the OpenAI client drops the cause of everything that
    // has "timeout" in its text, a refused connection's included.
    throw classify(backend, transport.failure() ?? error);
  } finally {
    await transport.close();
  }
}

function classify(backend: Pick<Backend, 'name' | 'url' | 'noModelRemedy'>, error: unknown): BackendError {
  if (error instanceof BackendError) return error;
  if (error instanceof HttpFailure) {
    const said = readServerError(error.body);
    const text = said.code === 'no_model' ? `${said.text}; try: ${backend.noModelRemedy}` : said.text;
    return backendError(backend, said.code, text === '' ? error.message : `${error.message}: ${text}`, error);
  }
  const unreachable = connectionFailureCode(error);
  if (unreachable !== null) {
    return backendError(backend, 'backend_unreachable', `cannot be reached (${unreachable})`, error);
  }
  if (isLostConnection(error)) {
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

/** A socket that closed under a request or a body, or a server that does not speak HTTP to its end. */
function isLostConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = (error.cause ?? error) as NodeJS.ErrnoException;
  return code !== undefined && /^(?:ECONNRESET|EPIPE|HPE_)/.test(code);
}
