import { REQUEST_PATHS } from '../../protocol/request.js';
import { ApiError } from '../api-errors.js';
import { asksForStream } from '../api-form.js';
import { type Aliases, requireModel } from '../bridge-models.js';
import { CallPlaces } from '../doors/call-places.js';
import type { GatewayApp, GatewayParts } from '../gateway-parts.js';
import { preloadAnswer } from '../preload.js';
import { type CallBody, readCallBody } from '../read-body.js';
import { route } from './route.js';

/** What goes into the bridge as a task. */
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
            idempotencyKey: idempotencyKeyIn(c.req.header('idempotency-key')),
            wantsStream: asksForStream(path, body),
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

function idempotencyKeyIn(header: string | undefined): string | null {
  if (header === undefined) return null;
  if (/^[\x20-\x7e]{1,255}$/.test(header)) return header;
  throw new ApiError('Idempotency-Key must have 1 to 255 visible characters', { status: 400 });
}
