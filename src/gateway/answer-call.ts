import type { AskedCall } from './asked-call.js';
import type { GatewayCall } from './gateway-parts.js';
import type { CallEvent } from './live-call.js';
import type { ServedBridge } from './served-bridge.js';
import type { CallSpreader } from './spread-calls.js';
import { readResponseCall } from './stored/responses.js';
import { writeAnswer } from './write-answer.js';

/**
 * Has a call answered on the bridge that is chosen for it. Throws ApiError where it ends before its first
 * byte.
 */
export async function answerCall(call: GatewayCall, spreader: CallSpreader): Promise<Response> {
  const atMs = performance.now();
  const { isBackground, asked } = readResponseCall(call);
  if (isBackground) {
    const post = { ask: ({ calls }: ServedBridge, one: AskedCall) => calls.post(one) };
    const { bridge, done: task } = await spreader.place(asked, post);
    return await bridge.responses.begun(task, call.wantsStream);
  }
  const { bridge, done: live } = await spreader.place(asked, {
    ask: ({ calls }, one) => calls.open(one),
    undo: (late) => late.leave(),
  });
  const first = () => bridge.metrics.firstEvent((performance.now() - atMs) / 1000);
  return writeAnswer(asked.wantsStream ? { ...live, events: timed(live.events, first) } : live, asked);
}

/** The same events; `first` is called at the first one that goes to the client. */
async function* timed(events: AsyncIterable<CallEvent>, first: () => void): AsyncGenerator<CallEvent> {
  let isFirst = true;
  for await (const event of events) {
    if (isFirst && 'event' in event) {
      isFirst = false;
      first();
    }
    yield event;
  }
}
