import { LIST_LIMITS } from './answer-limits.js';
import { callBackend } from './backend-failure.js';
import type { CalledBackend } from './called-backend.js';
import { openTransport } from './transport.js';

/**
 * What a server answers to a GET, or to a POST of `body`, as JSON. Without the client of its API, which
 * would have to be loaded: every agent asks for the list of models every two minutes, also of servers that
 * answer none of its tasks. Throws BackendError, and the signal's reason once it is aborted.
 */
export async function getJson(
  server: CalledBackend & { readonly token?: string | undefined },
  url: string,
  signal: AbortSignal,
  body?: unknown,
): Promise<unknown> {
  signal.throwIfAborted();
  const ask = () => exchangeJson(server, url, signal, body);
  if (server.lookups === undefined) return await ask();
  return await server.lookups.answer(JSON.stringify([url, body]), ask, signal);
}

async function exchangeJson(
  server: CalledBackend & { readonly token?: string | undefined },
  url: string,
  signal: AbortSignal,
  body: unknown,
): Promise<unknown> {
  const transport = openTransport(signal, { ...LIST_LIMITS, token: server.token });
  const post = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
  return await callBackend(server, transport, signal, async () => {
    return (await (await transport.fetch(url, body === undefined ? {} : post)).json()) as unknown;
  });
}
