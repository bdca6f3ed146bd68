import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { BridgeError } from '../protocol/bridge-error.js';
import { ApiError, errorBody } from './api-errors.js';
import type { createApp } from './app.js';
import { limitConnections } from './guards/connection-limit.js';
import { continueWhereRead } from './guards/continue-where-read.js';
import type { ListenAddress } from './listen-address.js';

/** Bounds of a server, so that whoever says nothing, or says it slowly, keeps nobody else waiting. */
export interface ServerBounds {
  /** How long the headers of a call may take, and a connection may say nothing at all. Milliseconds. */
  readonly headersTimeoutMs: number;
  /** How long a call may take to come in, its body included. Milliseconds. */
  readonly requestTimeoutMs: number;
  /** How long a connection that has been answered is kept. Longer than clients keep theirs. Milliseconds. */
  readonly keepAliveMs: number;
  /** How often these times are checked. Milliseconds. */
  readonly checkEveryMs: number;
  readonly maxConnections: number;
}

/**
 * A body of 8 MiB comes in within two minutes over 0.6 megabit/s. A proxy sends its next call on a
 * connection that it takes for open, and answers 502 where we are just closing it: Caddy keeps its
 * connections for 2 minutes, nginx and the balancers of clouds for one.
 */
export const SERVER_BOUNDS: ServerBounds = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 120_000,
  keepAliveMs: 125_000,
  checkEveryMs: 1_000,
  maxConnections: 2_048,
};

/** The most bytes of the first line and the headers of a call together. */
const MAX_HEADER_BYTES = 16 * 1024;

/** A server that listens. */
export interface HttpServer {
  /** Where: `http://127.0.0.1:11435`. */
  readonly url: string;
  /** Takes no more calls, ends those that are there, and resolves when all connections are closed. */
  close(): Promise<void>;
}

/** Serves the app. Throws BridgeError `listen-failed` where it cannot listen on the address. */
export async function openHttpServer(
  app: ReturnType<typeof createApp>,
  address: ListenAddress,
  bounds: ServerBounds = SERVER_BOUNDS,
): Promise<HttpServer> {
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  // Sockets that have had their last answer: what they still send belongs to no call.
  const ended = new WeakSet<object>();
  const end = ({ socket }: IncomingMessage, outgoing: ServerResponse, error: ApiError) => {
    ended.add(socket);
    outgoing.writeHead(error.status, { 'content-type': 'application/json', connection: 'close' });
    outgoing.end(JSON.stringify(errorBody('v1', error)), () => socket.destroySoon());
  };
  const serve: RequestListener = (incoming, outgoing) => {
    const fault = headerFault(incoming);
    if (fault === null) void listener(incoming, outgoing);
    else end(incoming, outgoing, new ApiError(fault, { status: 400, code: 'bad_header' }));
  };
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: bounds.headersTimeoutMs,
      requestTimeout: bounds.requestTimeoutMs,
      keepAliveTimeout: bounds.keepAliveMs,
      connectionsCheckingInterval: bounds.checkEveryMs,
      insecureHTTPParser: false,
      requireHostHeader: true,
      joinDuplicateHeaders: false,
    },
    serve,
  );
  continueWhereRead(server, serve);
  server.on('checkExpectation', (incoming, outgoing) =>
    end(incoming, outgoing, new ApiError('Expect may be 100-continue, and nothing else', { status: 417 })),
  );
  // 0 is no limit: Node would drop the headers beyond one in silence. Their bytes are bounded above.
  server.maxHeadersCount = 0;
  limitConnections(server, bounds.maxConnections);
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!ended.has(socket)) refuse(error, socket as Socket);
  });
  await listen(server, address);
  return {
    url: urlOf(server.address() as AddressInfo),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Headers that decide who calls whom with what. Each may be there only once. */
const ONCE = [
  'authorization',
  'content-length',
  'content-type',
  'host',
  'origin',
  'transfer-encoding',
  'x-api-key',
];

/** The fault of headers that a proxy in front of us may read in another way than we do; null without one. */
function headerFault({ rawHeaders, headers, httpVersion }: IncomingMessage): string | null {
  // Node keeps the first of two.
  const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
  const doubled = ONCE.find((name) => names.indexOf(name) !== names.lastIndexOf(name));
  if (doubled !== undefined) return `the header ${doubled} is there twice`;
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && httpVersion === '1.0') return 'HTTP/1.0 knows no chunks';
  return coding === undefined || /^chunked$/i.test(coding)
    ? null
    : 'the body may come in chunks, and in nothing else';
}

/** Answers a call that is no HTTP, too slow or too long, and ends its connection. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, words] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', `the headers have more than ${MAX_HEADER_BYTES} bytes`]
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the call took too long to come in']
        : ['400 Bad Request', 'this is no HTTP/1.1 as it has to be'];
  const body = JSON.stringify(errorBody('v1', new ApiError(words, { status: Number.parseInt(status, 10) })));
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

async function listen(server: Server, { host, port }: ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenFailed(cause, host, port)));
    server.listen({ host, port, backlog: 511 }, () => resolve());
  });
}

function listenFailed(cause: NodeJS.ErrnoException, host: string, port: number): BridgeError {
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const known: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
    EADDRINUSE: [
      'another program listens there',
      `stop it, or take another port: --listen 127.0.0.1:${port + 1}`,
    ],
    EACCES: ['this user may not listen there', 'take a port above 1023: --listen 127.0.0.1:11435'],
    EADDRNOTAVAIL: ['this machine has no such address', 'ip addr shows those it has'],
  };
  const [what, remedy] = known[cause.code ?? ''] ?? [cause.message, '--listen 127.0.0.1:11435'];
  return new BridgeError(`cannot listen on ${where}: ${what}`, { code: 'listen-failed', remedy, cause });
}

function urlOf({ address, port, family }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
