import type { RequestPath } from '../protocol/request.js';
import type { CallBody } from './read-body.js';

/**
 * The answer to a call of Ollama's API that only has a model loaded or unloaded: an empty prompt, or no
 * messages. It is given here, and no task is made of it: where models stay is the agents' to decide. Null for
 * any other call.
 */
export function preloadAnswer(path: RequestPath, body: CallBody, nowMs: number): CallBody | null {
  const isPreload =
    (path === '/api/generate' && isEmpty(body.prompt) && isEmpty(body.images) && isEmpty(body.suffix)) ||
    (path === '/api/chat' && isEmpty(body.messages));
  if (!isPreload) return null;
  return {
    model: body.model,
    created_at: new Date(nowMs).toISOString(),
    ...(path === '/api/chat' ? { message: { role: 'assistant', content: '' } } : { response: '' }),
    done_reason: isZero(body.keep_alive) ? 'unload' : 'load',
    done: true,
  };
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
  );
}

/** `0`, `"0"`, `"0s"`. */
function isZero(keepAlive: unknown): boolean {
  return keepAlive === 0 || (typeof keepAlive === 'string' && /^0[a-z]{0,2}$/.test(keepAlive));
}
