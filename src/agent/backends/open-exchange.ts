import type { Attempt } from '../generate/ask-backends.js';
import { withInstalledModels } from '../generate/choose-model.js';
import { BackendError, type OnToken } from './backend.js';
import { backendError } from './backend-failure.js';

/** What bounds one exchange, and who is told of its signs of life. */
interface Exchange {
  readonly attempt: Pick<Attempt, 'backend' | 'deadlines'>;
  /** The most bytes that are taken of an answer, thinking included. */
  readonly maxAnswerBytes: number;
  readonly onToken: OnToken;
}

/**
 * Returns a function that asks a backend once, under the idle deadline. It throws `answer_too_large` for a
 * model that says more than `maxAnswerBytes`. Once a token came, it throws no error that would let another
 * backend start the answer again.
 */
export function openExchange({ attempt, maxAnswerBytes, onToken }: Exchange) {
  const { backend, deadlines } = attempt;
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
