import type { Context } from 'hono';
import { ApiError } from '../api-errors.js';
import type { GatewayApp, GatewayEnv } from '../gateway-parts.js';

/** Answers a call of a route. */
export type RouteHandler = (c: Context<GatewayEnv>) => Response | Promise<Response>;

/** The handlers of a path, by method. The one of `GET` also answers `HEAD`. */
export type RouteMethods = Readonly<Partial<Record<'GET' | 'POST' | 'DELETE', RouteHandler>>>;

/** Adds a path with all its methods. Any other method is answered with 405, and with those there are. */
export function route(app: GatewayApp, path: string, handlers: RouteMethods): void {
  const methods = Object.entries(handlers);
  for (const [method, handler] of methods) app.on(method, path, handler);
  const allow = methods.flatMap(([method]) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  app.all(path, (c) => {
    throw new ApiError(`${c.req.path} takes ${allow.join(' and ')}`, {
      status: 405,
      code: 'method_not_allowed',
      allow,
    });
  });
}
