import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { describeModels, lmstudioWire } from './lmstudio-wire.js';
import { listLoaded, ollamaWire, showModel } from './ollama-wire.js';
import { describeServer, OPENAI_REFUSED_KEY, openaiWire } from './openai-wire.js';
import { playTurn, sendPlain } from './play-turn.js';
import { canChat, type ModelsByWire, type StandInModel, StandInModels } from './stand-in-models.js';
import type { Behave, RecordedRequest, WireName } from './stand-in-request.js';
import { plainJson, type Wire } from './wire.js';

/** The models that each wire is to have: names, or more than that. */
type ModelLists = Readonly<Record<WireName, readonly (string | StandInModel)[] | StandInModels>>;

/** Options for a stand-in; every field has a default. */
export interface StandInOptions {
  /** The models it lists on each wire. Default: one each. */
  readonly models?: Partial<ModelLists>;
  /** Default: `{}` for every request, which is a quick, correct answer. */
  readonly behave?: Behave;
  /** Default 0: the system picks one. */
  readonly port?: number;
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: () => number;
  /**
   * Ollama 0.9, LM Studio 0.3.5, llama.cpp of 2025: no capabilities, no `truncate`, no `context_length` of
   * what is loaded, no `/api/v0/models`, no context in the list of models.
   */
  readonly isOld?: boolean;
  /** The version that Ollama says. Default: 0.9.0 where it is old, else one that was built by hand. */
  readonly version?: string;
  /** Where it is given, the paths of LM Studio and of `/openai` want it (`Authorization: Bearer`). */
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

/** What an agent is told of a stand-in. */
export function standInArgs(standIn: Pick<StandIn, 'ollamaUrl'>): string[] {
  return ['--backend', 'ollama', '--ollama-url', standIn.ollamaUrl];
}

/**
 * Starts a model server without a model: real HTTP on 127.0.0.1, in the wire formats of Ollama, of LM Studio
 * and of llama.cpp at once. The demo answers with it where no model server runs; tests make it misbehave.
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
    if (CHAT_PATHS.has(recorded.path)) for (const resolve of waiting.splice(0)) resolve(recorded);
    const { isOld = false, token, now = Date.now } = options;
    const version = options.version ?? (isOld ? '0.9.0' : '0.0.0');
    const scene = { models, behave: standIn.behave, isOld, version, token, nowMs: now() };
    await answer(scene, recorded, response);
  }

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const root = `http://127.0.0.1:${portOf(server)}`;
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

const CHAT_PATHS = new Set(['/api/chat', '/v1/chat/completions', '/openai/v1/chat/completions']);

function modelsOf({ ollama, lmstudio, openai }: ModelLists): ModelsByWire {
  const open = (list: ModelLists[WireName]) =>
    list instanceof StandInModels ? list : new StandInModels(list);
  return { ollama: open(ollama), lmstudio: open(lmstudio), openai: open(openai) };
}

/** The stand-in as one request finds it. */
interface Scene {
  readonly models: ModelsByWire;
  readonly behave: Behave;
  readonly isOld: boolean;
  readonly version: string;
  readonly token: string | undefined;
  readonly nowMs: number;
}

async function answer(scene: Scene, request: RecordedRequest, response: ServerResponse): Promise<void> {
  const { models, isOld, version, token, nowMs } = scene;
  const isOfLmstudio = request.path.startsWith('/v1/') || request.path.startsWith('/api/v0/');
  if (isOfLmstudio && token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    return sendPlain(response, REFUSED_TOKEN);
  }
  const isOfOpenai = request.path.startsWith('/openai/');
  if (isOfOpenai && token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    return sendPlain(response, OPENAI_REFUSED_KEY);
  }
  switch (`${request.method} ${request.path}`) {
    case 'GET /api/version':
      return sendPlain(response, plainJson(200, { version }));
    case 'GET /api/tags':
      return sendPlain(response, ollamaWire.list(models.ollama, nowMs, isOld));
    case 'GET /api/ps':
      return sendPlain(response, listLoaded(models.ollama, isOld));
    case 'POST /api/show':
      return sendPlain(response, showModel(models.ollama, request.body, isOld));
    case 'GET /v1/models':
      return sendPlain(response, lmstudioWire.list(models.lmstudio, nowMs, isOld));
    case 'GET /api/v0/models':
      return sendPlain(response, isOld ? unexpectedEndpoint(request) : describeModels(models.lmstudio));
    case 'POST /api/chat':
      return chat(ollamaWire, scene, request, response);
    case 'GET /openai/v1/models':
      return sendPlain(response, openaiWire.list(models.openai, nowMs, isOld));
    case 'GET /openai/props':
      return sendPlain(response, describeServer(models.openai));
    case 'POST /openai/v1/chat/completions':
      return chat(openaiWire, scene, request, response);
    case 'POST /v1/chat/completions':
      return chat(lmstudioWire, scene, request, response);
    default:
      return sendPlain(response, { status: 404, body: '404 page not found', contentType: 'text/plain' });
  }
}

const REFUSED_TOKEN = plainJson(401, {
  error: {
    message: 'An LM Studio API token is required to make requests to this server',
    type: 'invalid_request',
    code: 'invalid_api_key',
    param: null,
  },
});

/** LM Studio says so with status 200. */
function unexpectedEndpoint({ method, path }: RecordedRequest) {
  return plainJson(200, { error: `Unexpected endpoint or method. (${method} ${path})` });
}

async function chat(
  wire: Wire,
  { models, behave, isOld, nowMs }: Scene,
  recorded: RecordedRequest,
  response: ServerResponse,
): Promise<void> {
  const request = wire.read(recorded.body);
  if ('status' in request) return sendPlain(response, request);
  const behaviour = behave(request);
  const known = models[request.wire];
  const only = wire.answersToAny === true && known.all.length === 1 ? known.all[0] : undefined;
  const model = known.all.find(({ name }) => wire.has([name], request.model)) ?? only;
  if (model !== undefined && !canChat(model)) {
    return sendPlain(response, plainJson(400, { error: `"${request.model}" does not support chat` }));
  }
  // A model named by the behaviour counts as loaded and answers, whatever model was asked for.
  const isKnown = behaviour.model !== undefined || model !== undefined;
  const missing = isKnown ? {} : { refuse: { kind: 'model-missing' as const } };
  const isBlind = model?.capabilities !== undefined && !model.capabilities.includes('vision');
  const blind = isBlind && request.hasImages ? { refuse: { kind: 'no-images' as const } } : {};
  const context = model === undefined ? null : known.load(model.name, request.numCtx);
  // llama.cpp never did.
  const cuts = isOld && request.wire !== 'openai';
  const itself = only === undefined ? {} : { model: only.name };
  const turn = {
    behaviour: { ...itself, ...missing, ...blind, ...behaviour },
    startedAtMs: nowMs,
    context,
    isOld: cuts,
  };
  await playTurn({ wire, request, ...turn }, response);
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
