import type { Deadlines } from '../deadlines.js';
import { type Backend, BackendError, type OnToken } from './backend.js';
import { backendError } from './backend-failure.js';
import { installedModels } from './name-models.js';

/** What bounds one exchange, and who is told of its signs of life. */
interface Exchange {
  readonly backend: Backend;
  readonly deadlines: Deadlines;
  /** The most bytes that are taken of an answer, thinking included. */
  readonly maxAnswerBytes: number;
  readonly onToken: OnToken;
}

/**
 * Returns a function that asks a backend once, under the idle deadline. It throws `answer_too_large` for a
 * model that says more than `maxAnswerBytes`. Once a token came, it throws no error that would let another
 * backend start the answer again.
 */
export function openExchange({ backend, deadlines, maxAnswerBytes, onToken }: Exchange) {
  const tooLarge = `the answer has more than ${maxAnswerBytes} bytes; it was stopped there`;
  let spoke = false;
  return async <T>(ask: (signal: AbortSignal, take: OnToken) => Promise<T>): Promise<T> => {
    let bytes = 0;
    const take: OnToken = (sign) => {
      deadlines.alive();
      if (sign.type === 'begins') bytes = 0;
      if (sign.type === 'event') {
        spoke = true;
        bytes += sign.bytes;
      }
      if (sign.type === 'piece') {
        spoke = true;
        bytes += Buffer.byteLength(sign.content) + Buffer.byteLength(sign.thinking);
      }
      if (bytes > maxAnswerBytes) deadlines.fail(backendError(backend, 'answer_too_large', tooLarge));
      onToken(sign);
    };
    try {
      return await deadlines.watch(() => ask(deadlines.signal, take));
    } catch (error) {
      if (spoke && error instanceof BackendError && saysNothingBegan(error)) {
        throw new BackendError('backend_error', error.message, { cause: error, kind: 'lost' });
      }
      throw await withInstalledModels(error, backend, deadlines.signal);
    }
  };
}

function saysNothingBegan({ code, kind }: BackendError): boolean {
  return code === 'backend_unreachable' || kind === 'busy';
}

/**
 * Adds which models there are to an error `model_not_found` or `model_cannot_chat`; returns any other error
 * as it is.
 */
async function withInstalledModels(error: unknown, backend: Backend, signal: AbortSignal): Promise<unknown> {
  if (!(error instanceof BackendError)) return error;
  if (error.code !== 'model_not_found' && error.code !== 'model_cannot_chat') return error;
  const installed = await backend.listModels(signal).catch(() => null);
  if (installed === null) return error;
  return new BackendError(error.code, `${error.message}; ${installedModels(backend, installed)}`, {
    cause: error,
  });
}
