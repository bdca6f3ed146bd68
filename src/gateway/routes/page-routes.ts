import { BridgeError } from '../../protocol/bridge-error.js';
import { ApiError } from '../api-errors.js';
import type { GatewayApp, GatewayParts } from '../gateway-parts.js';
import { privateJson } from '../private-json.js';
import { readCallBody } from '../read-body.js';
import { route } from './route.js';

/** More than any body of the page has. */
const MAX_BODY_BYTES = 64 * 1024;

/** The routes for what the page reads and does. Its calls have the token that its browser keeps. */
export function addPageRoutes(app: GatewayApp, { page }: GatewayParts): void {
  if (page === undefined) return;
  const { data, actions } = page;
  route(app, '/page/state', { GET: async () => privateJson(await data.state()) });
  route(app, '/page/figures', { GET: async () => privateJson(await data.figures()) });
  route(app, '/page/stats', { GET: async () => privateJson(await data.stats()) });
  route(app, '/page/search', { GET: async (c) => privateJson(await data.search(c.req.query('q') ?? '')) });
  route(app, '/page/task/:id{[0-9a-f]{4,64}}', {
    GET: async (c) => privateJson(await data.record(c.req.param('id') ?? '')),
  });
  route(app, '/page/cancel', {
    async POST(c) {
      const { task } = await readCallBody(c.req.raw, MAX_BODY_BYTES);
      if (typeof task !== 'string') throw new ApiError('task is missing', { status: 400, param: 'task' });
      await done(actions.cancel(task));
      return privateJson({ cancelled: task });
    },
  });
  route(app, '/page/tokens', {
    // Whether a token is needed at all, and the name of the one that the page has.
    GET: async (c) => privateJson({ name: c.var.token }),
    async POST(c) {
      const { name } = await readCallBody(c.req.raw, MAX_BODY_BYTES);
      if (typeof name !== 'string') throw new ApiError('name is missing', { status: 400, param: 'name' });
      const madeBy = c.var.token;
      if (!madeBy)
        throw new ApiError('no token is needed here: the first one is made by llm-bridge token add NAME', {
          ...{ status: 409, code: 'no_tokens' },
        });
      return privateJson({ name, token: await done(actions.makeToken(name, madeBy)) });
    },
  });
}

/** A failure that a person can put right is told in its own words. */
async function done<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retryable) throw error;
    throw new ApiError(`${error.message}; ${error.remedy}`, { status: 400, code: error.code });
  }
}
