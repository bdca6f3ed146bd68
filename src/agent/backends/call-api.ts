import { isJsonObject } from '../../protocol/json-object.js';
import { maxLineBytes, streamLimits } from './answer-limits.js';
import { type ApiCall, BackendError, type CallEnd, type CallReader } from './backend.js';
import { backendError, callBackend, elsewhereError, lostError, StreamFailure } from './backend-failure.js';
import type { CalledBackend } from './called-backend.js';
import { untilLastWords } from './last-words.js';
import { errorIn, modelIn } from './said-in-body.js';
import { NEWLINE, streamLines } from './stream-lines.js';
import { HttpFailure, openTransport } from './transport.js';
import { wholeEvents } from './whole-events.js';

/** What sending a call needs. */
export interface SentCall {
  readonly server: CalledBackend & { readonly token?: string | undefined };
  readonly url: string;
  readonly call: ApiCall;
  /** The whole of what is sent. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly reader: CallReader;
  /** Told which model answers, once; throws BackendError `wrong_model` where that is not what was wanted. */
  readonly checkModel?: (answering: string) => void;
}

/**
 * Sends a call, and gives the reader what comes: events (SSE or NDJSON), or one body. Throws BackendError
 * for whatever goes wrong, an error in place of an event included, and the signal's reason once it is
 * aborted. The cause of what the server refused is HttpFailure, with its own words.
 */
export async function sendCall(sent: SentCall): Promise<CallEnd> {
  const { server, url, call, body, signal } = sent;
  signal.throwIfAborted();
  server.lookups?.forget();
  const lineBytes = maxLineBytes(call.maxAnswerBytes);
  const limits = call.isStreamed ? streamLimits(call.maxAnswerBytes) : { maxBodyBytes: lineBytes };
  const transport = openTransport(signal, { ...limits, token: server.token });
  try {
    return await callBackend(server, transport, signal, async () => {
      const response = await transport.fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      sent.reader.begins();
      const type = response.headers.get('content-type') ?? '';
      const isStream = call.isStreamed && /event-stream|ndjson/.test(type) && response.body !== null;
      if (!isStream) return readWhole(sent, await textOf(response, lineBytes), response.status);
      return await readEvents(sent, response, lineBytes, type.includes('ndjson'));
    });
  } catch (error) {
    if (!lacksPath(error)) throw error;
    const said = wordsOf(error);
    const text = `does not serve ${call.path}${said === '' ? '' : `: ${said}`}`;
    throw elsewhereError(server, 'request_refused', text);
  }
}

/** Reads a body that is no stream of events. LM Studio says some errors in one, with status 200. */
function readWhole({ server, reader, checkModel }: SentCall, text: string, status: number): CallEnd {
  const value: unknown = JSON.parse(text);
  if (!isJsonObject(value)) throw backendError(server, 'backend_error', 'sent a body that is no object');
  if (errorIn(value) !== null) throw new HttpFailure(status, text);
  const model = modelIn(value);
  if (model !== undefined) checkModel?.(model);
  reader.body(value);
  // Ollama sends such a body, with status 200, where its engine gave up: ollama/ollama#17846.
  if (!reader.isWhole()) throw lostError(server, 'sent an answer that is not complete');
  return reader.end();
}

async function readEvents(
  { server, reader, checkModel }: SentCall,
  response: Response,
  maxEventBytes: number,
  isLines: boolean,
): Promise<CallEnd> {
  let isModelKnown = false;
  let isEnded = false;
  const events = isLines ? linesOf(response, maxEventBytes) : blocksOf(response, maxEventBytes);
  for await (const raw of untilLastWords(events, () => reader.isWhole())) {
    const value = isLines ? JSON.parse(raw) : dataOf(raw);
    if (value === undefined) {
      reader.alive();
      continue;
    }
    if (isJsonObject(value)) {
      const error = errorIn(value);
      if (error !== null) throw new StreamFailure(error);
      const model = modelIn(value);
      if (!isModelKnown && model !== undefined) checkModel?.(model);
      isModelKnown ||= model !== undefined;
    }
    isEnded = reader.event(raw, value);
    if (isEnded) break;
  }
  const end = reader.end();
  // A body that ends looks alike whether the server was done or not.
  if (!reader.isWhole() && !isEnded)
    throw lostError(server, 'ended the stream before the answer was complete');
  return end;
}

async function* linesOf(response: Response, maxBytes: number): AsyncGenerator<string> {
  for await (const line of streamLines(response.body as ReadableStream<Uint8Array>, maxBytes)) {
    const text = Buffer.from(line).toString('utf8').trim();
    if (text === '') continue;
    if (line.at(-1) !== NEWLINE && !isJson(text)) {
      throw new StreamFailure('ended the stream in the middle of a line');
    }
    yield text;
  }
}

/** The events of a body, each without the blank line at its end. */
async function* blocksOf(response: Response, maxBytes: number): AsyncGenerator<string> {
  const { body } = wholeEvents(response, maxBytes);
  for await (const block of body as ReadableStream<Uint8Array>) {
    const text = Buffer.from(block).toString('utf8').replaceAll('\r\n', '\n').trim();
    if (text !== '') yield text;
  }
}

/** The data of an SSE block: its JSON, the text `[DONE]`, or undefined for a comment. */
function dataOf(block: string): unknown {
  const data = block
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).trimStart())
    .join('\n');
  if (data === '') return undefined;
  return data === '[DONE]' ? data : (JSON.parse(data) as unknown);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The whole of a body, within a bound that the transport keeps as well. */
async function textOf(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * True for a server that has no such path: 404, 405 or 501 where the text names no missing model, and LM
 * Studio's own words, which come with status 200.
 */
function lacksPath(error: unknown): boolean {
  if (!(error instanceof BackendError) || error.code !== 'backend_error') return false;
  const { cause } = error;
  if (!(cause instanceof HttpFailure)) return false;
  return [404, 405, 501].includes(cause.status) || /unexpected endpoint or method/i.test(cause.body);
}

function wordsOf(error: unknown): string {
  return error instanceof BackendError ? error.message.replace(/^.*?: /, '') : '';
}
