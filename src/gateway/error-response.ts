import { BridgeError } from '../protocol/bridge-error.js';
import { ApiError, errorBody, errorHeaders } from './api-errors.js';
import type { ApiForm } from './api-form.js';

/**
 * What a call ended with, in the form of its API. What failed on our side is told to `onProblem`, that is to
 * whoever runs us; a client learns no more than that it failed.
 */
export function errorResponse(form: ApiForm, error: unknown, onProblem: (error: unknown) => void): Response {
  const said = error instanceof ApiError ? error : ownFault(error, onProblem);
  return Response.json(errorBody(form, said), { status: said.status, headers: errorHeaders(said) });
}

function ownFault(error: unknown, onProblem: (error: unknown) => void): ApiError {
  onProblem(error);
  if (error instanceof BridgeError && error.retryable)
    return new ApiError('the bridge cannot be reached now', {
      status: 503,
      code: 'bridge_unreachable',
      retryAfterS: 1,
    });
  return new ApiError('the gateway could not do this: its own output says why', { status: 500 });
}
