import { TooManyBytes } from './http-exchange.js';
import { NEWLINE, streamLines, withBody } from './stream-lines.js';

/**
 * The same response, with a body that comes event by event (SSE), and fails with TooManyBytes at one that
 * has more than `maxEventBytes`. An event that the end of the body cuts off is left out, as browsers do. The
 * bound is needed because the OpenAI client keeps what has come of an event, however long it is, and
 * searches all of it again with every piece.
 *
 * `[DONE]` is the last event, whatever the server does with its connection then; `onDone` is called at it.
 */
export function wholeEvents(response: Response, maxEventBytes: number, onDone = () => {}): Response {
  return response.body === null
    ? response
    : withBody(response, eventsOf(response.body, maxEventBytes, onDone));
}

async function* eventsOf(
  body: ReadableStream<Uint8Array>,
  maxEventBytes: number,
  onDone: () => void,
): AsyncGenerator<Uint8Array> {
  let lines: Uint8Array[] = [];
  let size = 0;
  for await (const line of streamLines(body, maxEventBytes)) {
    lines.push(line);
    size += line.length;
    if (size > maxEventBytes) throw new TooManyBytes(maxEventBytes, ' in one event');
    if (!isBlank(line)) continue;
    const isDone = lines.some((one) => dataIn(one) === DONE);
    if (isDone) onDone();
    yield Buffer.concat(lines);
    if (isDone) return;
    lines = [];
    size = 0;
  }
  const last = lines.at(-1);
  if (last === undefined || (last.at(-1) !== NEWLINE && !isReadable(last))) return;
  if (lines.some((one) => dataIn(one) === DONE)) onDone();
  yield Buffer.concat(lines);
}

/** The end of OpenAI's streams. */
const DONE = '[DONE]';

/** The data of a line that is about as short as `data: [DONE]`; null for a longer one. */
function dataIn(line: Uint8Array): string | null {
  return line.length > 2 * DONE.length + 'data:'.length ? null : dataOf(line);
}

function dataOf(line: Uint8Array): string {
  return Buffer.from(line)
    .toString('utf8')
    .replace(/^data:/, '')
    .trim();
}

/** False for a line that the end of the body cuts in the middle of its JSON: that is no event. */
function isReadable(line: Uint8Array): boolean {
  const data = dataOf(line);
  try {
    return data === DONE || JSON.parse(data) !== undefined;
  } catch {
    return false;
  }
}

/** `\n` or `\r\n`: it ends an event. */
function isBlank(line: Uint8Array): boolean {
  return line.length === 1 || (line.length === 2 && line[0] === 0x0d);
}
