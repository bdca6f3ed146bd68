import { type Context, Hono } from 'hono';
import { apiFormOf } from './api-form.js';
import { errorResponse } from './error-response.js';
import type { GatewayApp, GatewayEnv, GatewayParts, RouteGroup } from './gateway-parts.js';
import { EXPOSED_HEADERS, isCorsOrigin, preflight } from './guards/cors.js';
import { type CallHead, checkCall } from './guards/request-guard.js';
import { tokenNameOf } from './guards/token-guard.js';
import { TokenWatch } from './guards/token-watch.js';
import { addCountTokensRoute } from './routes/count-tokens-route.js';
import { addGenerateRoutes } from './routes/generate-routes.js';
import { addModelRoutes } from './routes/model-routes.js';
import { addOpenRoutes } from './routes/open-routes.js';
import { addPageRoutes } from './routes/page-routes.js';
import { addRoutesOfNothing } from './routes/routes-of-nothing.js';
import { addStoredRoutes } from './routes/stored-routes.js';
import { addWatchRoutes } from './routes/watch-routes.js';

/** The routes that need a token, where the gateway has tokens. The first group that has a path answers. */
const GROUPS: readonly RouteGroup[] = [
  addGenerateRoutes,
  addCountTokensRoute,
  addModelRoutes,
  addStoredRoutes,
  addPageRoutes,
  addWatchRoutes,
  // The last: it answers what no group before it has.
  addRoutesOfNothing,
];

/**
 * The gateway as a web application: the guards first, then a group of routes for each kind of endpoint.
 * Whatever ends badly is answered in the form of the API that was called.
 */
export function createApp(parts: GatewayParts): GatewayApp {
  // The path as it came, not decoded: the guards refuse a path that can be read in two ways.
  const app: GatewayApp = new Hono<GatewayEnv>({ getPath: (request) => new URL(request.url).pathname });
  app.onError((error, c) => errorResponse(c.get('form'), error, parts.onProblem));
  app.use('*', async (c, next) => {
    const form = apiFormOf({
      path: c.req.path,
      saysVersion: c.req.header('anthropic-version') !== undefined,
    });
    c.set('form', form);
    const origin = c.req.header('origin');
    try {
      checkCall(callHead(c), parts.guards);
      // A browser asks this before it sends a call with a token, so it is answered without one.
      if (c.req.method === 'OPTIONS' && origin !== undefined) c.res = preflight(c.req.raw, parts.guards);
      else await next();
    } catch (error) {
      // `onError` gets only Errors. A signal's reason, when a client has left, may be something else.
      c.res = errorResponse(form, error, parts.onProblem);
    }
    const { headers } = c.res;
    if (origin !== undefined && isCorsOrigin(origin, parts.guards)) {
      headers.set('access-control-allow-origin', origin);
      headers.set('access-control-expose-headers', EXPOSED_HEADERS);
      headers.append('vary', 'origin');
    }
    headers.set('x-content-type-options', 'nosniff');
  });
  addOpenRoutes(app, parts);
  const watch = new TokenWatch(parts.guards.tokens);
  app.use('*', async (c, next) => {
    const token = tokenNameOf(callHead(c), parts.guards);
    c.set('token', token);
    if (token !== null && c.env?.outgoing !== undefined) watch.add(c.env.outgoing, token);
    await next();
  });
  for (const add of GROUPS) add(app, parts);
  return app;
}

function callHead(c: Context<GatewayEnv>): CallHead {
  const { pathname, search } = new URL(c.req.url);
  return {
    method: c.req.method,
    // In tests there is no server below us: only what URL has made of the target is left.
    target: c.env?.incoming?.url ?? `${pathname}${search}`,
    header: (name) => c.req.header(name),
  };
}
