import type { Context } from 'hono';
import type { GatewayApp, GatewayEnv, GatewayParts } from '../gateway-parts.js';
import { route } from './route.js';

/** The routes for responses, files and batches: they are kept here, and asked for by their ids. */
export function addStoredRoutes(app: GatewayApp, { stored }: GatewayParts): void {
  if (stored === undefined) return;
  const handler = (c: Context<GatewayEnv>) =>
    stored({
      method: c.req.method,
      path: c.req.path,
      query: new URL(c.req.url).searchParams,
      token: c.get('token'),
      request: c.req.raw,
    });
  route(app, '/v1/responses/:id', { GET: handler, DELETE: handler });
  route(app, '/v1/responses/:id/cancel', { POST: handler });
  route(app, '/v1/responses/:id/input_items', { GET: handler });
  route(app, '/v1/files', { GET: handler, POST: handler });
  route(app, '/v1/files/:id', { GET: handler, DELETE: handler });
  route(app, '/v1/files/:id/content', { GET: handler });
  route(app, '/v1/batches', { GET: handler, POST: handler });
  route(app, '/v1/batches/:id', { GET: handler });
  route(app, '/v1/batches/:id/cancel', { POST: handler });
}
