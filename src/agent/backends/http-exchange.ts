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

/** HTTP for one call to a model server. */
export interface Transport {
  /** For an SDK to use in place of the global one. Rejects with HttpFailure for any status that is not 2xx. */
  readonly fetch: typeof globalThis.fetch;
  /** What `fetch` rejected with, as it was. The SDKs wrap it and may lose its cause. */
  failure(): unknown;
  /** Ends the call: whatever is still open is closed, and the server sees that. */
  close(): Promise<void>;
}

/** A response that is not 2xx, with the beginning of its body. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';

  constructor(
    readonly status: number,
    readonly body: string,
  ) {
    super(`HTTP ${status}`);
  }
}

/** How much of an error's body is read, in characters: any server's error fits, and a web page does not fill the memory. */
const MAX_ERROR_BODY_CHARS = 64 * 1024;

/**
 * Opens the transport for one call. `signal` closes it at any time, before the first byte too, which neither SDK can. The SDKs' own signals
 * are left out: the OpenAI client aborts by a timer of its own. `inspect` sees every 2xx response and may replace it, or refuse it by
 * throwing.
 */
export function openTransport(
  signal: AbortSignal,
  inspect: (response: Response) => Response | Promise<Response> = (response) => response,
): Transport {
  const http = openHttp(signal);
  let failure: unknown;
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    try {
      const response = await http.exchange(new URL(input as string | URL), {
        method: init?.method ?? 'GET',
        headers: plainHeaders(init),
        body: textOf(init?.body),
      });
      if (!response.ok) throw new HttpFailure(response.status, await readFailure(response));
      return await inspect(response);
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  return { fetch, failure: () => failure, close: async () => http.close() };
}

/**
 * Only what the exchange needs. Neither model server asks for more, and the OpenAI client would send along what its own
 * environment variables say: a real key of an administrator, an organization, a gateway's headers.
 */
function plainHeaders(init: RequestInit | undefined): Record<string, string> {
  const given = new Headers(init?.headers);
  const type = given.get('content-type');
  return { accept: given.get('accept') ?? '*/*', ...(type === null ? {} : { 'content-type': type }) };
}

/** Both SDKs send JSON, as a string. */
function textOf(body: RequestInit['body']): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body !== 'string') throw new TypeError('a body that is no string');
  return body;
}

async function readFailure(response: Response): Promise<string> {
  const leadsTo = response.headers.get('location');
  // Not followed: a browser would send what was posted once more, or not at all, as the status has it.
  if (leadsTo !== null) return `it redirects to ${leadsTo}; give that address`;
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of response.body) {
    text += decoder.decode(bytes as Uint8Array, { stream: true });
    if (text.length > MAX_ERROR_BODY_CHARS) break;
  }
  return text.slice(0, MAX_ERROR_BODY_CHARS);
}
