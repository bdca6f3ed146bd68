import type { GatewayApp, GatewayParts } from '../gateway-parts.js';
import { isPageFile, pageFile } from '../page-files.js';
import { login } from '../page-login.js';
import { privateJson } from '../private-json.js';
import { route } from './route.js';

/**
 * The routes that need no token: the page and its files, which say nothing of the bridge; the login, by
 * which a browser keeps its token; and a probe, which learns only whether we can work, and why not.
 */
export function addOpenRoutes(app: GatewayApp, { page, health }: GatewayParts): void {
  app.get('*', async (c, next) => {
    const { path } = c.req;
    // A program that calls `/` wants to know whether we run.
    const isPage = isPageFile(path) && (path !== '/' || (c.req.header('accept') ?? '').includes('text/html'));
    return isPage && c.req.method === 'GET' ? await pageFile(path) : await next();
  });
  if (page !== undefined) {
    route(app, '/page/login', {
      POST: (c) => login(c.req.raw, c.req.header('x-forwarded-proto') === 'https', page.actions),
    });
  }
  route(app, '/health', {
    GET: async () => {
      const { reason, notReady } = await health();
      const which = Object.keys(notReady).length === 0 ? {} : { not_ready: notReady };
      return reason === null
        ? privateJson({ status: 'ok', ...which })
        : privateJson({ status: 'not ready', reason, ...which }, { status: 503 });
    },
  });
}
