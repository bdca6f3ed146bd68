import type { ServerResponse } from 'node:http';
import { describeModels, lmstudioWire } from './lmstudio-wire.js';
import { listLoaded, ollamaWire, showModel } from './ollama-wire.js';
import { describeServer, OPENAI_REFUSED_KEY, openaiWire } from './openai-wire.js';
import { playTurn, sendPlain } from './play-turn.js';
import { canChat, type ModelsByWire } from './stand-in-models.js';
import type { Behave, RecordedRequest } from './stand-in-request.js';
import { plainJson, type Wire } from './wire.js';

/** The stand-in as one request finds it. */
export interface Scene {
  readonly models: ModelsByWire;
  readonly behave: Behave;
  readonly isOld: boolean;
  readonly version: string;
  readonly token: string | undefined;
  readonly nowMs: number;
}

/** Answers a request as the server of its path would: model servers differ in their paths. */
export async function answer(
  scene: Scene,
  request: RecordedRequest,
  response: ServerResponse,
): Promise<void> {
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
