import { TaskTooLarge } from '../asker/task-draft.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { ApiError } from './api-errors.js';

/** No more tasks may be open at a time. */
export function tooManyOpen(open: number): ApiError {
  return new ApiError(`${open} calls wait already`, {
    status: 429,
    code: 'too_many_requests',
    retryAfterS: 5,
  });
}

/** The bridge could not be reached for as long as a call waits. */
export function notAsked(): ApiError {
  return new ApiError('the bridge could not be reached in time, so the call was not asked', {
    status: 503,
    code: 'not_asked',
    retryAfterS: 1,
  });
}

/** Whether a task is refused for its size: by the bridge, or by our own check. */
export function isTooLarge(error: BridgeError): boolean {
  return error.code === 'refused-limit' || error instanceof TaskTooLarge;
}

/**
 * Whether an error says what the bridge thinks of a task, which is for the client. What else goes wrong
 * names addresses, keys and files of ours.
 */
export function isAboutTask(error: BridgeError): boolean {
  return error.code.startsWith('refused-') || error.code === 'older-bridge' || isTooLarge(error);
}

/** A task could not be put on main. An error that is no BridgeError means that nobody wanted it any more. */
export function notTaken(error: unknown): ApiError {
  if (!(error instanceof BridgeError)) {
    return new ApiError('the call was not asked, because nobody waited for it any more', {
      status: 503,
      code: 'not_asked',
      retryAfterS: 1,
      cause: error,
    });
  }
  const why = isAboutTask(error) ? error.message : 'the output of the gateway says why';
  return new ApiError(`the bridge did not take the call: ${why}`, {
    status: error.retryable ? 503 : isTooLarge(error) ? 413 : 502,
    code: error.code,
    retryAfterS: error.retryable ? 1 : undefined,
    cause: error,
  });
}

/** The wait is over, and the task is not. */
export function stillWaiting(task: string): ApiError {
  return new ApiError(
    `no answer yet: the task ${shortOf(task)} waits for an agent. The same call, sent again, joins it`,
    { status: 503, code: 'still_waiting', task, retryAfterS: 1 },
  );
}

/** A second generation began after something of the first went out. */
export function startedAgain(task: string): ApiError {
  return new ApiError(
    `the model began the task ${shortOf(task)} again, so what came before is void. The same call, sent again, joins it`,
    { status: 503, code: 'started_again', task, retryAfterS: 1 },
  );
}

/** The rest of a stream was lost. */
export function brokeOff(task: string): ApiError {
  return new ApiError(
    `the stream of the task ${shortOf(task)} broke off; its answer is there. The same call, sent again, gets it`,
    { status: 503, code: 'stream_lost', task, retryAfterS: 1 },
  );
}

/** An agent has answered with something other than the response of an API. */
export function noResponse(task: string): ApiError {
  return new ApiError(`the answer to the task ${shortOf(task)} is not that of an API call`, {
    status: 502,
    code: 'no_response',
    task,
  });
}

/** For a client that has left: nobody hears it. */
export function clientLeft(): ApiError {
  return new ApiError('the client has left', { status: 499, code: 'client_left' });
}

function shortOf(task: string): string {
  return task.slice(0, 12);
}

/** A key stands for one call, and this is another. */
export function keyReused(): ApiError {
  return new ApiError('this Idempotency-Key was used for another call; take a new one', {
    status: 422,
    code: 'idempotency_key_reused',
  });
}

/** No agent has said that it has the model. */
export function modelNotFound(model: string): ApiError {
  return new ApiError(
    `no agent has the model ${JSON.stringify(model)}; GET /v1/models lists those there are`,
    { status: 404, code: 'model_not_found', param: 'model' },
  );
}

/** What a call asks for is on none of the bridges that can be read. `missing`: the names of the others. */
export function notAllThere(missing: readonly string[]): ApiError {
  const which = missing.length === 0 ? 'no bridge can' : `the bridge ${missing.join(', the bridge ')} cannot`;
  return new ApiError(`${which} be read now, and the others do not have this`, {
    ...{ status: 503, code: 'bridge_away', retryAfterS: 10 },
  });
}
