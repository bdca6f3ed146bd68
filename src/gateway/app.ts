import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { BridgeError } from '../protocol/bridge-error.js';
import type { RequestPath } from '../protocol/request.js';
import { ApiError, errorBody, errorHeaders } from './api-errors.js';
import { type ApiForm, apiFormOf, asksForStream } from './api-form.js';
import {
  type Aliases,
  type BridgeModel,
  findModel,
  messagesModelOf,
  runningOf,
  shownOf,
  tagOf,
  v1ModelOf,
} from './bridge-models.js';
import { type CallAtDoor, checkCall, type DoorSettings, isCorsOrigin } from './doors/request-door.js';
import { type TokenDoor, tokenNameOf } from './doors/token-door.js';
import { type Endpoint, endpointOf } from './endpoints.js';
import type { Metrics } from './metrics.js';
import type { PageData } from './page-data.js';
import { isPageFile, login, type PageActions, pageData, pageFile } from './page-routes.js';
import { preloadAnswer } from './preload.js';
import { type CallBody, readCallBody } from './read-body.js';

/** A call that goes into the bridge, once the doors have let it in. */
export interface GatewayCall {
  readonly path: RequestPath;
  /** As it came, with an alias replaced by the model it stands for. */
  readonly body: CallBody;
  /** The name of the token it came with; null where this machine calls without one. */
  readonly token: string | null;
  /** `Idempotency-Key`: the same call sent again, which is to find the same task. */
  readonly idempotencyKey: string | null;
  readonly wantsStream: boolean;
  readonly form: ApiForm;
  /** Aborts when the client has left. */
  readonly left: AbortSignal;
}

/** What the app is made of. */
export interface GatewayParts {
  /** Has a call answered. Throws ApiError where it ends before its first byte. */
  readonly answer: (call: GatewayCall) => Promise<Response>;
  /** The models of the bridge, aliases among them. Throws where the bridge cannot be read. */
  readonly models: () => Promise<readonly BridgeModel[]>;
  readonly aliases: Aliases;
  readonly doors: DoorSettings & TokenDoor;
  /** The most bytes of a body: what a task may have. */
  readonly maxBodyBytes: () => number;
  /** The most calls that are in here at once, waiting or being answered. */
  readonly maxCalls: number;
  /** The most bytes that the bodies of all these have together; a body takes several times as much memory. */
  readonly maxHeldBytes: number;
  /** What the page at `/` is made of; absent where there is none. */
  readonly page?: { readonly data: PageData; readonly actions: PageActions } | undefined;
  /** Null where the bridge can be written, else why not. */
  readonly health: () => Promise<string | null>;
  readonly metrics: Pick<Metrics, 'scrape'>;
  /** Our version, for those who ask. */
  readonly version: string;
  /** Is told of what is no fault of the client. Never with a header or a body of a call. */
  readonly onProblem: (error: unknown) => void;
}

interface Env {
  readonly Bindings: Partial<HttpBindings>;
}

/**
 * The version of Ollama whose API is spoken: clients ask for it, and turn away what is too old for them.
 */
const SPOKEN_VERSION = '0.12.6';

/** What pages of allowed origins may read besides the body. */
const EXPOSED = 'x-llm-bridge-task, x-llm-bridge-dropped, x-should-retry, retry-after';

/**
 * The gateway as a web application: the doors first, then one place for each kind of endpoint. Whatever ends
 * badly is answered in the form of the API that was called.
 */
export function createApp(parts: GatewayParts): Hono<Env> {
  const app = new Hono<Env>();
  const place = new Places(parts);
  app.all('*', async (c) => {
    const form = apiFormOf({
      path: new URL(c.req.url).pathname,
      saysVersion: c.req.header('anthropic-version') !== undefined,
    });
    const pageOrigin = corsOriginOf(c, parts.doors);
    const response = await respond(c, form, parts, place).catch((error: unknown) =>
      errorResponse(form, asApiError(error, parts)),
    );
    if (pageOrigin !== null) {
      response.headers.set('access-control-allow-origin', pageOrigin);
      response.headers.set('access-control-expose-headers', EXPOSED);
      response.headers.append('vary', 'origin');
    }
    response.headers.set('x-content-type-options', 'nosniff');
    return response;
  });
  return app;
}

async function respond(
  c: Context<Env>,
  form: ApiForm,
  parts: GatewayParts,
  places: Places,
): Promise<Response> {
  const call = callAtDoor(c);
  const path = checkCall(call, parts.doors);
  // A browser asks before it sends anything with a token, so this question has none.
  if (call.method === 'OPTIONS' && call.header('origin') !== undefined) return preflight(c, parts.doors);
  const endpoint = endpointOf(path);
  // The page and its files say nothing of the bridge, and the login is how a browser gets its token.
  if (wantsPage(call, path)) return await pageFile(path);
  const { page } = parts;
  if (path === '/page/login' && call.method === 'POST' && page !== undefined)
    return await login(c.req.raw, c.req.header('x-forwarded-proto') === 'https', page.actions);
  // A probe has no token, and learns no more than whether we can work.
  if (path === '/health' && ['GET', 'HEAD'].includes(call.method)) return await healthOf(parts);
  const token = tokenNameOf(call, parts.doors);
  requireMethod(endpoint, call.method, path);
  if (endpoint.kind === 'watch') {
    const { text, contentType } = await parts.metrics.scrape();
    return new Response(text, { headers: { 'content-type': contentType } });
  }
  if (endpoint.kind === 'page') {
    if (page === undefined)
      throw new ApiError('this gateway has no page', { status: 404, code: 'unknown_url' });
    return await pageData(c.req.raw, new URL(c.req.url), page.data, page.actions);
  }
  if (endpoint.kind === 'own') return own(c, path, parts);
  if (endpoint.kind !== 'generate') throw new Error('requireMethod has thrown for the others');
  const { hold, leave } = places.enter(c.env?.outgoing);
  try {
    const body = await readCallBody(c.req.raw, parts.maxBodyBytes(), hold);
    const asked = withModel(body, parts.aliases);
    const loaded = preloadAnswer(endpoint.path, asked, Date.now());
    if (loaded !== null) {
      requireModel(await parts.models(), asked.model);
      return Response.json(loaded);
    }
    return await parts.answer({
      path: endpoint.path,
      body: asked,
      token,
      idempotencyKey: idempotencyKeyOf(call),
      wantsStream: asksForStream(endpoint.path, asked),
      form,
      left: c.req.raw.signal,
    });
  } finally {
    leave();
  }
}

async function healthOf({ health }: GatewayParts): Promise<Response> {
  const reason = await health();
  const headers = { 'cache-control': 'no-store' };
  return reason === null
    ? Response.json({ status: 'ok' }, { headers })
    : Response.json({ status: 'not ready', reason }, { status: 503, headers });
}

/** Whether a browser asks for the page: a program that calls `/` wants to know whether we run. */
function wantsPage({ method, header }: CallAtDoor, path: string): boolean {
  if (method !== 'GET' || !isPageFile(path)) return false;
  return path !== '/' || (header('accept') ?? '').includes('text/html');
}

/** What agents have said of their models, in the form of whoever asks. */
async function own(c: Context<Env>, path: string, parts: GatewayParts): Promise<Response> {
  if (path === '/') return new Response('llm-bridge is running\n');
  if (path === '/api/version') return Response.json({ version: SPOKEN_VERSION, llm_bridge: parts.version });
  const models = await parts.models();
  if (path === '/api/tags') return Response.json({ models: models.map(tagOf) });
  if (path === '/api/ps') {
    const loaded = models.flatMap((one) =>
      one.loadedUntilMs === null ? [] : [runningOf(one, one.loadedUntilMs)],
    );
    return Response.json({ models: loaded });
  }
  if (path === '/api/show') {
    const body = await readCallBody(c.req.raw, parts.maxBodyBytes());
    return Response.json(shownOf(requireModel(models, body.model ?? body.name)));
  }
  const isMessages = c.req.header('anthropic-version') !== undefined;
  const formOf = isMessages ? messagesModelOf : v1ModelOf;
  if (path !== '/v1/models')
    return Response.json(formOf(requireModel(models, decoded(path.slice('/v1/models/'.length)))));
  const data = models.map(formOf);
  if (!isMessages) return Response.json({ object: 'list', data });
  const [first, last] = [models[0]?.name ?? null, models.at(-1)?.name ?? null];
  return Response.json({ data, first_id: first, last_id: last, has_more: false });
}

function requireModel(models: readonly BridgeModel[], name: unknown): BridgeModel {
  if (typeof name !== 'string' || name === '')
    throw new ApiError('model is missing', { status: 400, param: 'model' });
  const model = findModel(models, name);
  if (model !== undefined) return model;
  throw new ApiError(
    `model ${JSON.stringify(name.slice(0, 200))} not found: no agent has said that it has it`,
    {
      status: 404,
      code: 'model_not_found',
      param: 'model',
    },
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiError('the name of the model is not encoded as UTF-8', { status: 400, code: 'bad_path' });
  }
}

/** Throws ApiError for what is not done with this path: 404, 405 or 501. */
function requireMethod(endpoint: Endpoint, method: string, path: string): void {
  if (endpoint.kind === 'unknown')
    throw new ApiError(`there is nothing at ${path}`, { status: 404, code: 'unknown_url' });
  if (endpoint.kind === 'not-here')
    throw new ApiError(`${path} is not done here: ${endpoint.why}`, { status: 501, code: 'not_implemented' });
  if (endpoint.methods.includes(method)) return;
  throw new ApiError(`${path} takes ${endpoint.methods.join(' and ')}`, {
    status: 405,
    code: 'method_not_allowed',
    allow: endpoint.methods,
  });
}

function withModel(body: CallBody, aliases: Aliases): CallBody {
  const target = typeof body.model === 'string' ? aliases.get(body.model) : undefined;
  return target === undefined ? body : { ...body, model: target };
}

function idempotencyKeyOf({ header }: CallAtDoor): string | null {
  const key = header('idempotency-key');
  if (key === undefined) return null;
  if (/^[\x20-\x7e]{1,255}$/.test(key)) return key;
  throw new ApiError('Idempotency-Key must have 1 to 255 visible characters', { status: 400 });
}

function callAtDoor(c: Context<Env>): CallAtDoor {
  const { pathname, search } = new URL(c.req.url);
  return {
    method: c.req.method,
    // Without a server below us, in tests, there is only what the URL has made of it.
    target: c.env?.incoming?.url ?? `${pathname}${search}`,
    header: (name) => c.req.header(name),
  };
}

function corsOriginOf(c: Context<Env>, doors: DoorSettings): string | null {
  const origin = c.req.header('origin');
  return origin !== undefined && isCorsOrigin(origin, doors) ? origin : null;
}

function preflight(c: Context<Env>, doors: DoorSettings): Response {
  if (corsOriginOf(c, doors) === null) return new Response(null, { status: 204 });
  const wanted = c.req.header('access-control-request-headers') ?? '';
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-allow-headers': /^[a-z0-9, -]{0,1024}$/i.test(wanted) ? wanted : '',
      'access-control-max-age': '600',
      ...(c.req.header('access-control-request-private-network') === 'true'
        ? { 'access-control-allow-private-network': 'true' }
        : {}),
    },
  });
}

function errorResponse(form: ApiForm, error: ApiError): Response {
  return Response.json(errorBody(form, error), { status: error.status, headers: errorHeaders(error) });
}

/** What failed on our side is told to whoever runs us; a client learns that much. */
function asApiError(error: unknown, parts: GatewayParts): ApiError {
  if (error instanceof ApiError) return error;
  parts.onProblem(error);
  if (error instanceof BridgeError && error.retryable)
    return new ApiError('the bridge cannot be reached now', {
      status: 503,
      code: 'bridge_unreachable',
      retryAfterS: 1,
    });
  return new ApiError('the gateway could not do this: its own output says why', { status: 500 });
}

/** The calls that are in here, and how much they hold. */
class Places {
  readonly #max: Pick<GatewayParts, 'maxCalls' | 'maxHeldBytes'>;
  #taken = 0;
  #heldBytes = 0;

  constructor(max: Pick<GatewayParts, 'maxCalls' | 'maxHeldBytes'>) {
    this.#max = max;
  }

  /**
   * Takes a place. `hold` is told of each piece of the body, and `leave` is called once the answer has been
   * made; the place is held until it went out, or the client has left. Throws ApiError 429 where there is no
   * place, and `hold` where there is no room.
   */
  enter(outgoing: HttpBindings['outgoing'] | undefined): {
    readonly hold: (bytes: number) => void;
    readonly leave: () => void;
  } {
    const { maxCalls, maxHeldBytes } = this.#max;
    if (this.#taken >= maxCalls) throw tooMany(`${maxCalls} calls wait here already`);
    this.#taken += 1;
    let held = 0;
    const hold = (bytes: number) => {
      if (this.#heldBytes + bytes > maxHeldBytes) throw tooMany('the calls that wait here fill the memory');
      held += bytes;
      this.#heldBytes += bytes;
    };
    const leave = () => {
      this.#taken -= 1;
      this.#heldBytes -= held;
    };
    if (outgoing === undefined) return { hold, leave };
    outgoing.once('close', leave);
    return { hold, leave: () => {} };
  }
}

function tooMany(what: string): ApiError {
  return new ApiError(`${what}: try again`, { status: 429, code: 'too_many_calls', retryAfterS: 1 });
}
