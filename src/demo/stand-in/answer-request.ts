import type { ServerResponse } from 'node:http';
import * as z from 'zod';
import { isRequestPath, type RequestPath } from '../../protocol/request.js';
import { type EmbeddingPath, isEmbeddingPath, readEmbeddings } from './embeddings.js';
import { describeModels, lmstudioServer } from './lmstudio-wire.js';
import { listLoaded, ollamaServer, showModel } from './ollama-server.js';
import { describeServer, OPENAI_REFUSED_KEY, openaiServer } from './openai-wire.js';
import { playTurn, sendPlain } from './play-turn.js';
import { canChat, type ModelsByWire } from './stand-in-models.js';
import type { Behave, RecordedRequest, StandInRequest, WireName } from './stand-in-request.js';
import { plainJson, type ServerWords, type Wire } from './wire.js';
import { badEmbeddings, serverOn, serves, wireOf } from './wires.js';

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
  const wire = wireNameOf(scene, request);
  if (wire !== 'ollama' && token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    return sendPlain(response, wire === 'lmstudio' ? REFUSED_TOKEN : OPENAI_REFUSED_KEY);
  }
  switch (`${request.method} ${request.path}`) {
    case 'GET /api/version':
      return sendPlain(response, plainJson(200, { version }));
    case 'GET /api/tags':
      return sendPlain(response, ollamaServer.list(models.ollama, nowMs, isOld));
    case 'GET /api/ps':
      return sendPlain(response, listLoaded(models.ollama, isOld));
    case 'POST /api/show':
      return sendPlain(response, showModel(models.ollama, request.body, isOld));
    case 'GET /v1/models':
      return sendPlain(response, lmstudioServer.list(models.lmstudio, nowMs, isOld));
    case 'GET /api/v0/models':
      return sendPlain(response, isOld ? unexpectedEndpoint(request) : describeModels(models.lmstudio));
    case 'GET /openai/v1/models':
      return sendPlain(response, openaiServer.list(models.openai, nowMs, isOld));
    case 'GET /openai/props':
      return sendPlain(response, describeServer(models.openai));
  }
  const path = pathOf(request);
  if (request.method !== 'POST' || path === null || !serves(wire, path)) {
    return sendPlain(response, { status: 404, body: '404 page not found', contentType: 'text/plain' });
  }
  if (isEmbeddingPath(path)) return embed({ wire, path, scene, request }, response);
  const spoken = wireOf(wire, path);
  if (spoken !== null) await converse(spoken, scene, request, response);
}

/** The API's path in the path of a request; null where it is no path of an API. */
export function pathOf({ path }: Pick<RecordedRequest, 'path'>): RequestPath | null {
  const own = path.replace(/^\/openai(?=\/)/, '');
  return isRequestPath(own) && (own === path || own.startsWith('/v1/')) ? own : null;
}

/**
 * The server of a path. Both Ollama and LM Studio have the paths of `/v1`, and here they share an address: a
 * call for a model that only Ollama has goes to Ollama.
 */
function wireNameOf({ models }: Scene, { path, body }: RecordedRequest): WireName {
  if (path.startsWith('/openai/')) return 'openai';
  if (path.startsWith('/api/v0/')) return 'lmstudio';
  if (!path.startsWith('/v1/')) return 'ollama';
  const { data } = z.object({ model: z.string() }).safeParse(body);
  if (data === undefined || lmstudioServer.has(models.lmstudio.names, data.model)) return 'lmstudio';
  return ollamaServer.has(models.ollama.names, data.model) ? 'ollama' : 'lmstudio';
}

const REFUSED_TOKEN = plainJson(401, {
  error: {
    message: 'An LM Studio API token is required to make requests to this server',
    type: 'invalid_request',
    code: 'invalid_api_key',
    param: null,
  },
});

/** LM Studio says this with status 200. */
function unexpectedEndpoint({ method, path }: RecordedRequest) {
  return plainJson(200, { error: `Unexpected endpoint or method. (${method} ${path})` });
}

async function converse(
  wire: Wire,
  scene: Scene,
  recorded: RecordedRequest,
  response: ServerResponse,
): Promise<void> {
  const { behave, isOld, nowMs } = scene;
  const request = wire.read(recorded.body);
  if ('status' in request) return sendPlain(response, request);
  const behaviour = behave(request);
  const { model, only, known } = findModel(wire, scene, request);
  if (model !== undefined && !canChat(model)) {
    return sendPlain(response, wire.refuse({ kind: 'cannot-chat' }, request));
  }
  // A model named by the behaviour counts as loaded and answers, whatever model was asked for.
  const isKnown = behaviour.model !== undefined || model !== undefined;
  const missing = isKnown ? {} : { refuse: { kind: 'model-missing' as const } };
  const isBlind = model?.capabilities !== undefined && !model.capabilities.includes('vision');
  const blind = isBlind && request.hasImages ? { refuse: { kind: 'no-images' as const } } : {};
  const context = model === undefined ? null : known.load(model.name, request.numCtx);
  // llama.cpp never cut a prompt.
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

interface Embedding {
  readonly wire: WireName;
  readonly path: EmbeddingPath;
  readonly scene: Scene;
  readonly request: RecordedRequest;
}

/**
 * Answers with embeddings, which are never streamed, so only the parts of a behaviour count that come before
 * text.
 */
async function embed({ wire, path, scene, request }: Embedding, response: ServerResponse): Promise<void> {
  const call = readEmbeddings(wire, path, request.body);
  if (call === null) return sendPlain(response, badEmbeddings(wire, path));
  const server = serverOn(wire, path);
  const behaviour = scene.behave(call.request);
  const { model, only, known } = findModel(server, scene, call.request);
  const isKnown = behaviour.model !== undefined || model !== undefined;
  const refusal = behaviour.refuse ?? (isKnown ? undefined : { kind: 'model-missing' as const });
  if (refusal !== undefined) return sendPlain(response, server.refuse(refusal, call.request));
  if (model !== undefined) known.load(model.name, null);
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  await Promise.race([behaviour.firstTokenAfter, gone]);
  if (response.destroyed) return;
  if (behaviour.fault?.kind === 'die') {
    response.destroy();
    return;
  }
  return sendPlain(response, call.answer(behaviour.model ?? only?.name ?? call.request.model));
}

/** The model that a request means. `only`: the single model of a server that answers to any name. */
function findModel(server: ServerWords, { models }: Scene, request: StandInRequest) {
  const known = models[request.wire];
  const only = server.answersToAny === true && known.all.length === 1 ? known.all[0] : undefined;
  const model = known.all.find(({ name }) => server.has([name], request.model)) ?? only;
  return { model, only, known };
}
