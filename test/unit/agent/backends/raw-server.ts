import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BackendError, type Generation } from '../../../../src/agent/backends/backend.js';
import { lmstudioBackend } from '../../../../src/agent/backends/lmstudio/lmstudio-backend.js';
import { ollamaBackend } from '../../../../src/agent/backends/ollama/ollama-backend.js';
import { openaiBackend } from '../../../../src/agent/backends/openai/openai-backend.js';
import type { TaskFormat } from '../../../../src/protocol/task.js';
import { onCleanup } from '../../../support/on-cleanup.js';

/** A server of a test's own words. */
export interface RawServer {
  readonly url: string;
  /** The bodies that came by POST. */
  readonly posted: unknown[];
}

/** What a server says of its models, in the form of either. */
const LOOKED_UP = JSON.stringify({ data: [{ id: 'm' }], models: [{ name: 'm', model: 'm' }] });

/** A server that answers every chat with the same bytes, or every request as `body` does. */
export async function serverThatSays(
  body: string | ((request: IncomingMessage, response: ServerResponse) => void),
  type = 'text/event-stream',
  status = 200,
): Promise<RawServer> {
  const posted: unknown[] = [];
  const server = createServer(async (request, response) => {
    const isChat = /\/chat(?:\/completions)?$/.test(request.url ?? '');
    if (typeof body === 'string' && !isChat) return void response.end(LOOKED_UP);
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    if (request.method === 'POST') posted.push(JSON.parse(Buffer.concat(pieces).toString('utf8')));
    if (typeof body !== 'string') return body(request, response);
    response.writeHead(status, { 'content-type': type }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, posted };
}

type Wire = 'ollama' | 'lmstudio' | 'openai';

/** Asks such a server, as the agent does. */
export function generate(wire: Wire, { url }: RawServer, format?: TaskFormat): Promise<Generation> {
  const open = { ollama: ollamaBackend, lmstudio: lmstudioBackend, openai: openaiBackend }[wire];
  const backend = open(wire === 'ollama' ? url : `${url}/v1`);
  const request = {
    model: 'm',
    strictModel: false,
    messages: [{ role: 'user' as const, content: '2+2' }],
    images: [],
    options: {},
    format,
    maxAnswerBytes: 100_000,
  };
  return backend.generate(request, new AbortController().signal, () => {});
}

/** What a call fails with. */
export async function failureOf(call: Promise<unknown>): Promise<BackendError> {
  const error: unknown = await call.then(
    (value) => new Error(`it did not fail: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof BackendError) return error;
  throw error;
}

/** A line with any fields. */
export const line = (fields: object) => `${JSON.stringify({ model: 'm', ...fields })}\n`;
/** A line of Ollama's. */
export const said = (content: string, more: object = {}) =>
  line({ message: { role: 'assistant', content }, done: false, ...more });
export const NDJSON = 'application/x-ndjson';

const event = (fields: object) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', ...fields })}\n\n`;
/** A chunk of OpenAI's, as an event. */
export const delta = (fields: object, finish: string | null = null) =>
  event({ choices: [{ index: 0, delta: fields, finish_reason: finish }] });
