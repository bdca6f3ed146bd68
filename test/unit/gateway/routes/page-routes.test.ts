import { Hono } from 'hono';
import { describe, expect, test } from 'vitest';
import { errorResponse } from '../../../../src/gateway/error-response.js';
import type { GatewayApp, GatewayParts } from '../../../../src/gateway/gateway-parts.js';
import type { PageActions, PageData } from '../../../../src/gateway/page-data.js';
import { addPageRoutes } from '../../../../src/gateway/routes/page-routes.js';
import { addRoutesOfNothing } from '../../../../src/gateway/routes/routes-of-nothing.js';
import { BridgeError } from '../../../../src/protocol/bridge-error.js';

const ACTIONS: PageActions = {
  cancel: async (task) => {
    if (task !== 'abcd') throw new BridgeError('no such task', { code: 'no-such-task', remedy: 'look' });
  },
  nameOf: () => null,
  makeToken: async (name, madeBy) => {
    if (name === 'taken') throw new BridgeError('taken', { code: 'name-taken', remedy: 'choose another' });
    return `token of ${name}, made by ${madeBy}`;
  },
};
const DATA = { search: async (words: string) => [words] } as unknown as PageData;

const app: GatewayApp = new Hono();
app.onError((error) => errorResponse('v1', error, () => {}));
addPageRoutes(app, { page: { data: DATA, actions: ACTIONS } } as GatewayParts);
addRoutesOfNothing(app);

const posted = (path: string, body: unknown) =>
  new Request(`http://127.0.0.1${path}`, { method: 'POST', body: JSON.stringify(body) });
const call = async (request: Request) => await app.fetch(request);

describe('what the page asks for', () => {
  test('a search has the words as they were typed', async () => {
    const found = await call(new Request('http://127.0.0.1/page/search?q=%D0%B4%D0%B0%20%26'));
    expect(await found.json()).toEqual(['да &']);
    expect(found.headers.get('cache-control')).toBe('no-store');
  });

  test.each([
    ['a task that is no id', posted('/page/cancel', { task: 7 }), 400],
    ['a task that is not there', posted('/page/cancel', { task: 'ffff' }), 400],
    ['a body that is no object', posted('/page/cancel', [1]), 400],
    ['a token without a name', posted('/page/tokens', {}), 400],
    ['the first token, which would shut out whoever makes it', posted('/page/tokens', { name: 'bot' }), 409],
    ['something else', new Request('http://127.0.0.1/page/else'), 404],
  ])('%s is refused', async (_what, request, status) => {
    expect((await call(request)).status).toBe(status);
  });

  test('a token is made for whoever is logged in, and goes with their own', async () => {
    const shut: GatewayApp = new Hono();
    shut.onError((error) => errorResponse('v1', error, () => {}));
    shut.use(async (c, next) => {
      c.set('token', 'me');
      await next();
    });
    addPageRoutes(shut, { page: { data: DATA, actions: ACTIONS } } as GatewayParts);
    const made = await shut.fetch(posted('/page/tokens', { name: 'n8n' }));
    expect(await made.json()).toEqual({ name: 'n8n', token: 'token of n8n, made by me' });
    expect(made.headers.get('cache-control')).toBe('no-store');
    expect((await shut.fetch(posted('/page/tokens', { name: 'taken' }))).status).toBe(400);
    const mine = await shut.fetch(new Request('http://127.0.0.1/page/tokens'));
    expect(await mine.json()).toEqual({ name: 'me' });
  });

  test('a task is cancelled', async () => {
    expect(await (await call(posted('/page/cancel', { task: 'abcd' }))).json()).toEqual({
      cancelled: 'abcd',
    });
  });
});
