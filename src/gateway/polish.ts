import { isJsonObject, type JsonObject } from '../protocol/json-object.js';
import type { RequestPath, TaskRequest } from '../protocol/request.js';

/**
 * The body of a model server as a client gets it. It is passed on unchanged, but for what the API promises
 * its clients: the id of a response is that of its task, and embeddings are numbers or base64, whichever was
 * asked for.
 */
export function polishBody({ path, body: asked }: TaskRequest, task: string, body: unknown): unknown {
  if (path === '/v1/responses' && isJsonObject(body) && 'id' in body)
    return { ...body, id: responseId(task) };
  if (path === '/v1/embeddings') return withEncoding(body, asked.encoding_format === 'base64');
  return body;
}

/** The same for an event of a stream; null for one that the client did not ask for, and is not to get. */
export function polishEvent({ path, body: asked }: TaskRequest, task: string, event: string): string | null {
  if (path === '/v1/chat/completions' || path === '/v1/completions')
    return isUnaskedUsage(asked, event) ? null : event;
  if (path === '/v1/responses') return withResponseId(event, task);
  return event;
}

/** The id that a response has here: `resp_` and the id of its task. */
export function responseId(task: string): string {
  return `resp_${task}`;
}

/** Whether streams of this path are lines of JSON; all others are server-sent events. */
export function isNdjson(path: RequestPath | string): boolean {
  return path.startsWith('/api/');
}

/** Whether it is the usage, and the client did not ask for that. Agents always do: the record needs it. */
function isUnaskedUsage(asked: JsonObject, event: string): boolean {
  if (isJsonObject(asked.stream_options) && asked.stream_options.include_usage === true) return false;
  if (!event.includes('"usage"')) return false;
  const value = dataIn(event);
  return (
    isJsonObject(value) &&
    isJsonObject(value.usage) &&
    Array.isArray(value.choices) &&
    value.choices.length === 0
  );
}

function withResponseId(event: string, task: string): string {
  if (!event.includes('"response"')) return event;
  const value = dataIn(event);
  if (!isJsonObject(value) || !isJsonObject(value.response)) return event;
  return withData(event, { ...value, response: { ...value.response, id: responseId(task) } });
}

/** A server-sent event with other data. The other lines of the block stay: its name, an id. */
export function withData(event: string, value: JsonObject): string {
  const lines = event.split(/\r\n|\r|\n/).filter((line) => !line.startsWith('data:'));
  return [...lines, `data: ${JSON.stringify(value)}`].join('\n');
}

/** The JSON of a server-sent event; undefined where it has none. */
export function dataIn(event: string): unknown {
  const data = event
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).replace(/^ /, ''))
    .join('\n');
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

function withEncoding(body: unknown, isBase64: boolean): unknown {
  if (!isJsonObject(body) || !Array.isArray(body.data)) return body;
  const encode = isBase64 ? inBase64 : inNumbers;
  const data = body.data.map((one) =>
    isJsonObject(one) ? { ...one, embedding: encode(one.embedding) } : one,
  );
  return { ...body, data };
}

/** As OpenAI does: 32-bit floats, the low byte first. */
function inBase64(embedding: unknown): unknown {
  if (!Array.isArray(embedding)) return embedding;
  const bytes = Buffer.alloc(4 * embedding.length);
  for (const [at, value] of embedding.entries()) bytes.writeFloatLE(Number(value), 4 * at);
  return bytes.toString('base64');
}

function inNumbers(embedding: unknown): unknown {
  if (typeof embedding !== 'string') return embedding;
  const bytes = Buffer.from(embedding, 'base64');
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => bytes.readFloatLE(4 * at));
}
