import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';

/** What is sent. */
export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** HTTP exchanges that are closed together. */
export interface HttpExchanges {
  /**
   * Resolves with the head of the response; its body streams. A redirect is a response like any other. Rejects with what Node says, which has a `code`
   * and, where no connection came to be, the `syscall`.
   */
  exchange(url: URL, request: HttpRequest): Promise<Response>;
  /** Ends whatever is still open; the server sees that. */
  close(): void;
}

/** A model server that takes no connection is away. Milliseconds; as long as `fetch` waits for one. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Statuses that come without a body, which a Response with one of them must not have. */
const NO_BODY = new Set([204, 205, 304]);

/**
 * Opens HTTP for one call to a model server: the web's Response over `node:http`. `signal` ends it at any time.
 *
 * Not `fetch`: Node's gives up after 300 s without headers, and a model may take longer to its first token; here only the connecting has
 * a limit. The undici package can be told to wait, but every agent would hold 15 MB for it.
 */
export function openHttp(signal: AbortSignal, connectTimeoutMs = CONNECT_TIMEOUT_MS): HttpExchanges {
  const open = new Set<http.ClientRequest>();
  return {
    exchange(url, { method, headers, body }) {
      return new Promise<Response>((resolve, reject) => {
        const isTls = url.protocol === 'https:';
        // A connection a call, because closing it is the one way to be sure that nothing goes on generating for nobody.
        const request = (isTls ? https : http).request(url, { method, headers, signal, agent: false });
        open.add(request);
        const timer = setTimeout(
          () => request.destroy(noConnection(url, connectTimeoutMs)),
          connectTimeoutMs,
        );
        request.on('socket', (socket) =>
          socket.once(isTls ? 'secureConnect' : 'connect', () => clearTimeout(timer)),
        );
        request.on('close', () => {
          clearTimeout(timer);
          open.delete(request);
        });
        request.on('error', reject);
        request.on('response', (message) => {
          try {
            resolve(asResponse(message));
          } catch (error) {
            // A status that is none.
            request.destroy();
            reject(error);
          }
        });
        request.end(body);
      });
    },
    close() {
      for (const request of open) request.destroy();
    },
  };
}

function asResponse(message: http.IncomingMessage): Response {
  const status = message.statusCode ?? 0;
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(message.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  if (!NO_BODY.has(status)) {
    return new Response(Readable.toWeb(message) as ReadableStream<Uint8Array>, { status, headers });
  }
  message.resume();
  return new Response(null, { status, headers });
}

function noConnection(url: URL, timeoutMs: number): Error {
  return Object.assign(new Error(`no connection to ${url.host} within ${timeoutMs / 1000} s`), {
    code: 'ETIMEDOUT',
    syscall: 'connect',
  });
}
