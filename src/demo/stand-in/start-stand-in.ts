import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { listenOnFreePort } from '../free-port.js';
import { answer, pathOf } from './answer-request.js';
import { type ModelsByWire, type StandInModel, StandInModels } from './stand-in-models.js';
import type { Behave, RecordedRequest, WireName } from './stand-in-request.js';

/** The models that each wire is to have: by name, or described. */
type ModelLists = Readonly<Record<WireName, readonly (string | StandInModel)[] | StandInModels>>;

/** Options for a stand-in; every field has a default. */
export interface StandInOptions {
  /** The models it lists on each wire. Default: one each. */
  readonly models?: Partial<ModelLists>;
  /** Default: `{}` for every request, which is a quick, correct answer. */
  readonly behave?: Behave;
  /** Default: 0, which is a free one. */
  readonly port?: number;
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: () => number;
  /**
   * Whether to behave as Ollama 0.9, LM Studio 0.3.5 and llama.cpp of 2025: no capabilities, no `truncate`,
   * no `context_length` of loaded models, no `/api/v0/models`, no context in the list of models.
   */
  readonly isOld?: boolean;
  /** The version that Ollama says. Default: 0.9.0 where it is old, else one that was built by hand. */
  readonly version?: string;
  /** Where it is given, the paths of LM Studio and of `/openai` require it (`Authorization: Bearer`). */
  readonly token?: string;
}

/** A running stand-in. */
export interface StandIn {
  /** The base address for an Ollama client: `http://127.0.0.1:PORT`. */
  readonly ollamaUrl: string;
  /** The base address for an LM Studio client: `http://127.0.0.1:PORT/v1`. */
  readonly lmstudioUrl: string;
  /** The base address of llama.cpp's server, started with `--api-prefix /openai`. */
  readonly openaiUrl: string;
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly RecordedRequest[];
  /** The next request for an answer that arrives from now on. */
  nextRequest(): Promise<RecordedRequest>;
  /** Sets how later requests are answered. May be called again while it runs. */
  behave: Behave;
  /** The models listed from now on. May be replaced while it runs. */
  get models(): ModelsByWire;
  set models(models: ModelLists);
  /** Closes the port and every open connection. */
  close(): Promise<void>;
}

/** The wire format that an agent of the demo is told to speak with a stand-in. */
export const STAND_IN_WIRE = 'Ollama';

/** The options of an agent that uses a stand-in. */
export function standInArgs(standIn: Pick<StandIn, 'ollamaUrl'>): string[] {
  return ['--backend', 'ollama', '--ollama-url', standIn.ollamaUrl];
}

/**
 * Starts a model server without a model: real HTTP on 127.0.0.1, in the wire formats of Ollama, LM Studio
 * and llama.cpp at once. The demo uses it where no model server runs; tests make it misbehave.
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
    if (pathOf(recorded) !== null) for (const resolve of waiting.splice(0)) resolve(recorded);
    const { isOld = false, token, now = Date.now } = options;
    const version = options.version ?? (isOld ? '0.9.0' : '0.0.0');
    const scene = { models, behave: standIn.behave, isOld, version, token, nowMs: now() };
    await answer(scene, recorded, response);
  }

  const root = `http://127.0.0.1:${await listen(server, options.port ?? 0)}`;
  let models = modelsOf({ ...DEFAULT_MODELS, ...options.models });
  const standIn: StandIn = {
    ollamaUrl: root,
    lmstudioUrl: `${root}/v1`,
    openaiUrl: `${root}/openai/v1`,
    requests,
    nextRequest: () => new Promise((resolve) => waiting.push(resolve)),
    behave: options.behave ?? (() => ({})),
    get models(): ModelsByWire {
      return models;
    },
    set models(lists: ModelLists) {
      models = modelsOf(lists);
    },
    close: () => close(server),
  };
  return standIn;
}

const DEFAULT_MODELS: ModelLists = {
  ollama: ['llama3.2:latest'],
  lmstudio: ['llama-3.2-3b-instruct'],
  openai: ['Llama-3.2-3B-Instruct-Q4_K_M.gguf'],
};

function modelsOf({ ollama, lmstudio, openai }: ModelLists): ModelsByWire {
  const open = (list: ModelLists[WireName]) =>
    list instanceof StandInModels ? list : new StandInModels(list);
  return { ollama: open(ollama), lmstudio: open(lmstudio), openai: open(openai) };
}

function record(request: IncomingMessage, response: ServerResponse, body: unknown): RecordedRequest {
  const ended = new Promise<'complete' | 'lost'>((resolve) => {
    response.once('close', () => resolve(response.writableFinished ? 'complete' : 'lost'));
  });
  const [path = ''] = (request.url ?? '').split('?');
  return { method: request.method ?? '', path, headers: request.headers, body, ended };
}

async function listen(server: Server, port: number): Promise<number> {
  if (port === 0) return listenOnFreePort(server);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return port;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
