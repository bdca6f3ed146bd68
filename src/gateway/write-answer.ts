import { StreamOfCall } from './call-stream.js';
import type { GivenCall } from './given-call.js';
import type { LiveCall } from './live-call.js';
import { clientLeft, stillWaiting } from './task-errors.js';
import { giveWhole } from './whole-answer.js';

/**
 * Gives a client the answer to its call: as a stream of its API while it is generated, or whole. Throws
 * ApiError where it ends before its first byte. Once a stream has begun, it ends with an error of its API.
 * Whatever happens, the call is left.
 */
export async function writeAnswer(live: LiveCall, call: GivenCall): Promise<Response> {
  const events = live.events[Symbol.asyncIterator]();
  const leave = () => live.leave();
  call.left.addEventListener('abort', leave, { once: true });
  if (call.left.aborted) leave();
  try {
    if (call.wantsStream) return await new StreamOfCall(live, call, events).start();
    for (;;) {
      const next = await events.next();
      if (next.done) throw clientLeft();
      if ('unanswered' in next.value) throw stillWaiting(live.task);
      if (!('answer' in next.value)) continue;
      return giveWhole(live, call, next.value.answer);
    }
  } catch (error) {
    live.leave();
    throw error;
  }
}
