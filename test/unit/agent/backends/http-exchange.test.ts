import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { connectionFailureCode } from '../../../../src/agent/backends/backend-failure.js';
import { type HttpExchanges, openHttp } from '../../../../src/agent/backends/http-exchange.js';
import { ollamaBackend } from '../../../../src/agent/backends/ollama/ollama-backend.js';
import { onCleanup } from '../../../support/on-cleanup.js';

const never = new AbortController().signal;
const maxBodyBytes = 8 * 1024 * 1024;
const GET = { method: 'GET', headers: {}, maxBodyBytes };

async function listen(server: Server, scheme = 'http'): Promise<URL> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => void server.close());
  return new URL(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

async function serve(listener: RequestListener): Promise<URL> {
  const server = createServer(listener);
  onCleanup(() => server.closeAllConnections());
  return listen(server);
}

function open(...options: Parameters<typeof openHttp>): HttpExchanges {
  const exchanges = openHttp(...options);
  onCleanup(() => exchanges.close());
  return exchanges;
}

test('what is sent arrives, and what comes back is whole, with every header', async () => {
  const url = await serve(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.writeHead(207, { 'x-two': ['a', 'b'], 'x-method': request.method ?? '' });
    response.end(Buffer.concat(chunks));
  });
  const body = 'ж'.repeat(2_000_000);
  const response = await open(never).exchange(url, { method: 'POST', headers: {}, body, maxBodyBytes });
  expect([response.status, response.headers.get('x-two'), response.headers.get('x-method')]).toEqual([
    207,
    'a, b',
    'POST',
  ]);
  expect(await response.text()).toBe(body);
});

test('a response without a body is one', async () => {
  const url = await serve((_request, response) => void response.writeHead(204).end());
  const response = await open(never).exchange(url, GET);
  expect([response.status, response.body]).toEqual([204, null]);
});

test('a close ends what is open: the server sees it, and the body fails', async () => {
  let closed: Promise<unknown> = Promise.resolve();
  const url = await serve((request, response) => {
    closed = once(request.socket, 'close');
    response.write('beginning');
  });
  const exchanges = open(never);
  const response = await exchanges.exchange(url, GET);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  exchanges.close();
  await expect(reader.read()).rejects.toMatchObject({ code: 'ECONNRESET' });
  await closed;
});

test('an abort before the first byte ends the exchange', async () => {
  let arrived = () => {};
  const asked = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const url = await serve(() => arrived());
  const controller = new AbortController();
  const exchange = open(controller.signal).exchange(url, GET);
  await asked;
  controller.abort();
  await expect(exchange).rejects.toMatchObject({ name: 'AbortError' });
});

test('a server that never gets to speak TLS is one that cannot be reached', async () => {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => void sockets.push(socket));
  const url = await listen(server, 'https');
  const failure = await open(never, 50)
    .exchange(url, GET)
    .catch((error: unknown) => error);
  expect(connectionFailureCode(failure)).toBe('ETIMEDOUT');
  for (const socket of sockets) socket.destroy();
});

test('a model server that redirects is told with where it leads', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(301, { location: 'https://models.example/api/tags' }).end('<a>moved</a>');
  });
  await expect(ollamaBackend(url.href).listModels(never)).rejects.toThrow(
    /HTTP 301: it redirects to https:\/\/models\.example\/api\/tags; give that address$/,
  );
});
