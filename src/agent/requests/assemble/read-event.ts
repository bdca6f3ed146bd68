import { cleanJson, isJson, type Json } from './clean-json.js';

/** What an event says. */
export interface ReadEvent {
  /** Its name; `message` where it has none. */
  readonly name: string;
  readonly value: Json;
}

/** The end of OpenAI's streams. */
export const DONE = '[DONE]';

/**
 * Reads a block of a stream of events or a line of JSON. Null where it has no JSON object: a comment,
 * `[DONE]`, a part of an event.
 */
export function readEvent(event: string): ReadEvent | null {
  const { name, data } = fieldsOf(event);
  let value: unknown;
  try {
    value = cleanJson(JSON.parse(data));
  } catch {
    return null;
  }
  return isJson(value) ? { name, value } : null;
}

/** Whether an event is the end of one of OpenAI's streams. */
export function isDone(event: string): boolean {
  return event.includes(DONE) && fieldsOf(event).data.trim() === DONE;
}

/** The fields of an event, by https://html.spec.whatwg.org/multipage/server-sent-events.html. */
function fieldsOf(event: string): { name: string; data: string } {
  if (event.startsWith('{')) return { name: 'message', data: event };
  let name = 'message';
  const data: string[] = [];
  for (const line of event.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') name = value;
    if (field === 'data') data.push(value);
  }
  return { name, data: data.join('\n') };
}
