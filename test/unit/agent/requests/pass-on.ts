import type { GenerateSettings } from '../../../../src/agent/agent-options.js';
import type { GenerationSign } from '../../../../src/agent/backends/backend.js';
import { runRequest } from '../../../../src/agent/requests/run-request.js';
import type { StandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import type { TaskRequest } from '../../../../src/protocol/request.js';
import { MODEL } from '../generate-fixture.js';

/** How a call is passed on in a test. */
interface Passing {
  readonly signal?: AbortSignal;
  readonly onSign?: (sign: GenerationSign) => unknown;
  /** `stream` of the task. */
  readonly isHeard?: boolean;
}

/** Passes a call on, with everything that was heard meanwhile. */
export async function pass(request: TaskRequest, settings: GenerateSettings, passing: Passing = {}) {
  const { signal = new AbortController().signal, onSign, isHeard = true } = passing;
  const signs: GenerationSign[] = [];
  const outcome = await runRequest({ id: 'a', request, stream: isHeard }, settings, signal, (sign) => {
    signs.push(sign);
    onSign?.(sign);
  });
  const events = signs.flatMap((sign) => (sign.type === 'event' ? [sign.event] : []));
  return { outcome, signs, events };
}

/** A call of `/v1/chat/completions` with one message. */
export function chat(content: string, more: Record<string, unknown> = {}): TaskRequest {
  const body = { model: MODEL.lmstudio, messages: [{ role: 'user', content }], ...more };
  return { path: '/v1/chat/completions', body };
}

/** The calls that a stand-in got, with what was asked before them left out. */
export function callsOf(standIn: StandIn) {
  return standIn.requests.filter(({ method, path }) => method === 'POST' && path !== '/api/show');
}
