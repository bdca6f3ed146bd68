import type { RequestPath } from '../../protocol/request.js';
import { purposeOf } from '../backends/call-prompt.js';

/**
 * Whether a call can be streamed. Embeddings cannot, nor what the API itself does not stream
 * (platform.openai.com/docs/api-reference/completions: `best_of`, "results cannot be streamed").
 */
export function isStreamable(path: RequestPath, body: Readonly<Record<string, unknown>>): boolean {
  if (purposeOf(path) === 'embed') return false;
  return !(path === '/v1/completions' && typeof body.best_of === 'number' && body.best_of > 1);
}
