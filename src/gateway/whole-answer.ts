import type { Answer } from '../protocol/answer.js';
import { errorOfAnswer } from './api-errors.js';
import type { GivenCall } from './given-call.js';
import type { LiveCall } from './live-call.js';
import { polishBody } from './polish.js';
import { noResponse } from './task-errors.js';

/**
 * Gives a client its whole answer, and leaves the call. An error is an answer as well: the same call, sent
 * again, asks anew. Throws ApiError for an error answer that has no response.
 */
export function giveWhole(live: LiveCall, call: GivenCall, answer: Answer): Response {
  try {
    return wholeAnswer(live, call, answer);
  } finally {
    live.leave({ delivered: !call.left.aborted });
  }
}

function wholeAnswer({ task }: LiveCall, call: GivenCall, answer: Answer): Response {
  const { response } = answer;
  if (response === undefined) throw answer.error === null ? noResponse(task) : errorOfAnswer(answer);
  const { status, body } = response;
  const headers = answerHeaders(task, answer.dropped ?? []);
  // It would fail in the same way: the official clients try some of these again by themselves.
  if (answer.error !== null) headers.set('x-should-retry', 'false');
  return Response.json(polishBody(call, task, body), { status, headers });
}

/** The headers of every answer. `dropped`: the fields that were left out of the call. */
export function answerHeaders(task: string, dropped: readonly string[]): Headers {
  const headers = new Headers({ 'x-llm-bridge-task': task });
  // A header may have no other characters.
  if (dropped.length > 0)
    headers.set('x-llm-bridge-dropped', dropped.join(', ').replace(/[^\x20-\x7e]/g, '?'));
  return headers;
}
