import { isRequestPath } from '../../protocol/request.js';
import { saidInEvent } from './said-in-event.js';

/**
 * The text and the thought that a raw event of a stream brings: a block of server-sent events, or a line of
 * NDJSON. Both are empty for an event of a path that is not known here, and for what is no such event.
 */
export function readEvent(
  path: string,
  event: string,
): { readonly content: string; readonly thinking: string } {
  const value = isRequestPath(path) ? jsonIn(event) : undefined;
  if (!isRequestPath(path) || value === undefined) return { content: '', thinking: '' };
  const { content, thinking } = saidInEvent(path, value);
  return { content, thinking };
}

function jsonIn(event: string): unknown {
  const lines = event.split(/\r\n|\r|\n/);
  const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice('data:'.length));
  try {
    return JSON.parse(data.length === 0 ? event : data.join('\n'));
  } catch {
    return undefined;
  }
}
