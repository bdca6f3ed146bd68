import http from 'node:http';
import https from 'node:https';

/** What is sent. */
export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** The most bytes that are read of the body of the response. */
  readonly maxBodyBytes: number;
}

/**
 * A body, or a part of it, that has more bytes than were to be read. What was read is dropped, and the
 * connection is closed.
 */
export class TooManyBytes extends Error {
  override readonly name = 'TooManyBytes';

  constructor(maxBytes: number, where = '') {
    super(`sent more than ${maxBytes} bytes${where}`);
  }
}

/** HTTP exchanges that are closed together. */
export interface HttpExchanges {
  /**
   * Resolves with the head of the response; its body streams, and fails with TooManyBytes. A redirect is a
   * response like any other. Rejects with Node's own error, which has a `code` and, where no connection was
   * made, the `syscall`.
   */
  exchange(url: URL, request: HttpRequest): Promise<Response>;
  /** Ends whatever is still open; the server sees that. */
  close(): void;
}

/** A model server that takes no connection for this long is away. `fetch` waits as long. Milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Statuses that come without a body. A Response with one of them must not have one. */
const NO_BODY = new Set([204, 205, 304]);

/**
 * Opens HTTP for one call to a model server: the web's Response over `node:http`. `signal` ends it at any
 * time.
 *
 * Not `fetch`: Node's gives up after 300 s without headers, and a model may take longer to its first token;
 * here only the connecting has a limit. The undici package can be told to wait, but every agent would hold
 * 15 MB for it.
 */
export function openHttp(signal: AbortSignal, connectTimeoutMs = CONNECT_TIMEOUT_MS): HttpExchanges {
  const open = new Set<http.ClientRequest>();
  return {
    exchange(url, { method, headers, body, maxBodyBytes }) {
      return new Promise<Response>((resolve, reject) => {
        const isTls = url.protocol === 'https:';
        // One connection for each call: to close it is the one sure way to end a generation that nobody
        // wants.
        const request = (isTls ? https : http).request(url, {
          method,
          // Without it the server may compress, and what a small body unpacks to has no bound.
          headers: { ...headers, 'accept-encoding': 'identity' },
          signal,
          agent: false,
        });
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
            resolve(asResponse(message, maxBodyBytes));
          } catch (error) {
            // A status that HTTP does not have, or an encoding that was not asked for.
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

function asResponse(message: http.IncomingMessage, maxBodyBytes: number): Response {
  const encoding = message.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new Error(`it sends its body in the encoding ${encoding}, which nobody asked for`);
  const status = message.statusCode ?? 0;
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(message.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  if (!NO_BODY.has(status)) {
    // Not Readable.toWeb: where the reader is slower than the server, that reads ahead, up to a gigabyte.
    return new Response(ReadableStream.from(counted(message, maxBodyBytes)), { status, headers });
  }
  message.resume();
  return new Response(null, { status, headers });
}

/** The one way by which anything that a model server sends is read. */
async function* counted(message: http.IncomingMessage, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  // Leaving the loop closes the connection.
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new TooManyBytes(maxBytes);
    yield chunk;
  }
}

function noConnection(url: URL, timeoutMs: number): Error {
  return Object.assign(new Error(`no connection to ${url.host} within ${timeoutMs / 1000} s`), {
    code: 'ETIMEDOUT',
    syscall: 'connect',
  });
}
