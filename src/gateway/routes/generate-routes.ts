import { REQUEST_PATHS, type RequestPath } from '../../protocol/request.js';
import { asksForStream } from '../api-form.js';
import { type Aliases, requireModel } from '../bridge-models.js';
import { readIdempotencyKey } from '../call-content.js';
import type { GatewayApp, GatewayParts } from '../gateway-parts.js';
import { CallPlaces } from '../guards/call-places.js';
import { LOCAL_ONLY_HEADER, readLocalOnly } from '../local-only.js';
import { type CallBody, readCallBody } from '../read-body.js';
import { route } from './route.js';

/** The calls that go into the bridge as tasks. */
export function addGenerateRoutes(app: GatewayApp, parts: GatewayParts): void {
  const places = new CallPlaces(parts);
  for (const path of REQUEST_PATHS) {
    route(app, path, {
      async POST(c) {
        const { hold, leave } = places.enter(c.env?.outgoing);
        try {
          const read = await readCallBody(c.req.raw, await parts.maxBodyBytes(), hold);
          const body = withModel(read, parts.aliases);
          const loaded = preloadAnswer(path, body, Date.now());
          if (loaded !== null) {
            requireModel(await parts.models(), body.model);
            return Response.json(loaded);
          }
          return await parts.answer({
            path,
            body,
            token: c.get('token'),
            idempotencyKey: readIdempotencyKey(c.req.header('idempotency-key')),
            wantsStream: asksForStream(path, body),
            localOnly: readLocalOnly(c.req.header(LOCAL_ONLY_HEADER)) || parts.localOnly,
            form: c.get('form'),
            left: c.req.raw.signal,
          });
        } finally {
          leave();
        }
      },
    });
  }
}

function withModel(body: CallBody, aliases: Aliases): CallBody {
  const target = typeof body.model === 'string' ? aliases.get(body.model) : undefined;
  return target === undefined ? body : { ...body, model: target };
}

/**
 * The answer to a call of Ollama's API that only has a model loaded or unloaded: an empty prompt, or no
 * messages. It is given here, and no task is made of it: agents decide which models stay loaded. Null for
 * any other call.
 */
function preloadAnswer(path: RequestPath, body: CallBody, nowMs: number): CallBody | null {
  const isPreload =
    (path === '/api/generate' && isEmpty(body.prompt) && isEmpty(body.images) && isEmpty(body.suffix)) ||
    (path === '/api/chat' && isEmpty(body.messages));
  if (!isPreload) return null;
  return {
    model: body.model,
    created_at: new Date(nowMs).toISOString(),
    ...(path === '/api/chat' ? { message: { role: 'assistant', content: '' } } : { response: '' }),
    done_reason: isZero(body.keep_alive) ? 'unload' : 'load',
    done: true,
  };
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
  );
}

/** `0`, `"0"`, `"0s"`. */
function isZero(keepAlive: unknown): boolean {
  return keepAlive === 0 || (typeof keepAlive === 'string' && /^0[a-z]{0,2}$/.test(keepAlive));
}
