import type { Context } from 'hono';
import { ApiError } from '../api-errors.js';
import type { GatewayApp, GatewayEnv } from '../gateway-parts.js';

/** Answers a call of a route. */
export type RouteHandler = (c: Context<GatewayEnv>) => Response | Promise<Response>;

/** What a path takes, by method. `GET` is `HEAD`, too. */
export type RouteMethods = Readonly<Partial<Record<'GET' | 'POST' | 'DELETE', RouteHandler>>>;

/** Adds a path with all its methods. Every other method is told those, with 405. */
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
