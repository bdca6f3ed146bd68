import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { lmstudioWire } from './lmstudio-wire.js';
import { ollamaWire } from './ollama-wire.js';
import { playTurn, sendPlain } from './play-turn.js';
import type { Behave, RecordedRequest, WireName } from './stand-in-request.js';
import { plainJson, type Wire } from './wire.js';

/** Options for a stand-in; every field has a default. */
export interface StandInOptions {
  /** The models it lists on each wire. Default: one each, `llama3.2:latest` and `llama-3.2-3b-instruct`. */
  readonly models?: Partial<Record<WireName, readonly string[]>>;
  /** Default: `{}` for every request, which is a quick, correct answer. */
  readonly behave?: Behave;
  /** Default 0: the system picks one. */
  readonly port?: number;
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: () => number;
}

/** A running stand-in. */
export interface StandIn {
  /** The base address for an Ollama client: `http://127.0.0.1:PORT`. */
  readonly ollamaUrl: string;
  /** The base address for an LM Studio client: `http://127.0.0.1:PORT/v1`. */
  readonly lmstudioUrl: string;
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly RecordedRequest[];
  /** The next request that arrives from now on. */
  nextRequest(): Promise<RecordedRequest>;
  /** Sets how later requests are answered. May be called again while it runs. */
  behave: Behave;
  /** The models listed from now on. May be replaced while it runs. */
  models: Readonly<Record<WireName, readonly string[]>>;
  /** Closes the port and every open connection. */
  close(): Promise<void>;
}

/** The wire format that an agent of the demo is told to speak with a stand-in. */
export const STAND_IN_WIRE = 'Ollama';

/** What an agent is told of a stand-in. */
export function standInArgs(standIn: Pick<StandIn, 'ollamaUrl'>): string[] {
  return ['--backend', 'ollama', '--ollama-url', standIn.ollamaUrl];
}

/**
 * Starts a model server without a model: real HTTP on 127.0.0.1, in the wire formats of Ollama and of LM
 * Studio at once. The demo answers with it where no model server runs; tests make it misbehave.
 */
export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const requests: RecordedRequest[] = [];
  const waiting: ((request: RecordedRequest) => void)[] = [];
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = request.method === 'POST' ? await json(request).catch(() => undefined) : undefined;
    const recorded = record(request, response, body);
    requests.push(recorded);
    for (const resolve of waiting.splice(0)) resolve(recorded);
    await answer(standIn, recorded, response, (options.now ?? Date.now)());
  }

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const root = `http://127.0.0.1:${portOf(server)}`;
  const standIn: StandIn = {
    ollamaUrl: root,
    lmstudioUrl: `${root}/v1`,
    requests,
    nextRequest: () => new Promise((resolve) => waiting.push(resolve)),
    behave: options.behave ?? (() => ({})),
    models: { ollama: ['llama3.2:latest'], lmstudio: ['llama-3.2-3b-instruct'], ...options.models },
    close: () => close(server),
  };
  return standIn;
}

async function answer(
  standIn: StandIn,
  request: RecordedRequest,
  response: ServerResponse,
  nowMs: number,
): Promise<void> {
  const chat = async (wire: Wire): Promise<void> => {
    const asked = wire.read(request.body);
    if ('status' in asked) return sendPlain(response, asked);
    const behaviour = standIn.behave(asked);
    // A model named by the behaviour counts as loaded and answers, whatever model was asked for.
    const known = behaviour.model !== undefined || wire.has(standIn.models[asked.wire], asked.model);
    const missing = known ? {} : { refuse: { kind: 'model-missing' as const } };
    const turn = { wire, request: asked, behaviour: { ...missing, ...behaviour }, startedAtMs: nowMs };
    await playTurn(turn, response);
  };
  switch (`${request.method} ${request.path}`) {
    case 'GET /api/version':
      return sendPlain(response, plainJson(200, { version: '0.0.0-stand-in' }));
    case 'GET /api/tags':
      return sendPlain(response, ollamaWire.list(standIn.models.ollama, nowMs));
    case 'GET /v1/models':
      return sendPlain(response, lmstudioWire.list(standIn.models.lmstudio, nowMs));
    case 'POST /api/chat':
      return chat(ollamaWire);
    case 'POST /v1/chat/completions':
      return chat(lmstudioWire);
    default:
      return sendPlain(response, { status: 404, body: '404 page not found', contentType: 'text/plain' });
  }
}

function record(request: IncomingMessage, response: ServerResponse, body: unknown): RecordedRequest {
  const ended = new Promise<'complete' | 'lost'>((resolve) => {
    response.once('close', () => resolve(response.writableFinished ? 'complete' : 'lost'));
  });
  const [path = ''] = (request.url ?? '').split('?');
  return { method: request.method ?? '', path, headers: request.headers, body, ended };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the stand-in has no port');
  return address.port;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
