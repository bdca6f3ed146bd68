import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { type ApiCall, type Backend, BackendError } from '../../../../src/agent/backends/backend.js';
import { HttpFailure, openTransport } from '../../../../src/agent/backends/transport.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { BACKENDS, backendAt, MODEL } from '../generate-fixture.js';

// SECURITY.md: P27

// Whatever answers at the address of the model server, and however long: of each body a bounded part is
// read, and then the connection is closed.

const MIB = 1024 * 1024;

/** What the system itself takes in between two sockets, and more than any bound here. */
const ON_THE_WAY = 24 * MIB;

/** Here the server gives up, so that a fault does not fill the memory of the machine. */
const GIVES_UP = 200 * MIB;

const signal = new AbortController().signal;

interface EndlessServer {
  readonly url: string;
  /** How many bytes it got rid of until the connection was closed. */
  readonly sent: Promise<number>;
}

/** Answers here until the end of the test. Returns the address. */
async function serveHere(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const CHAT = /\/chat(?:\/completions)?$/;

/** What a server says of its models, in the form of either. */
const LOOKED_UP = JSON.stringify({ data: [{ id: MODEL.lmstudio }, { id: MODEL.openai }], models: [] });

/**
 * A server that answers with `head` and then with `text` for ever; with `looksUp` it answers as usual where
 * a model is looked up.
 */
async function endlessServer(
  head: (response: ServerResponse, request: IncomingMessage) => void,
  text: string,
  looksUp = false,
): Promise<EndlessServer> {
  let close = (_bytes: number) => {};
  const sent = new Promise<number>((resolve) => {
    close = resolve;
  });
  const url = await serveHere((request, response) => {
    const { socket } = request;
    if (looksUp && !CHAT.test(request.url ?? '')) return void response.end(LOOKED_UP);
    // A client that closes before it has read everything resets the connection.
    socket.on('error', () => {});
    socket.once('close', () => close(socket.bytesWritten));
    head(response, request);
    const chunk = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)));
    const go = () => {
      if (socket.destroyed) return;
      if (socket.bytesWritten > GIVES_UP) socket.destroy();
      else response.write(chunk, go);
    };
    go();
  });
  return { url, sent };
}

function open(name: (typeof BACKENDS)[number], { url }: Pick<EndlessServer, 'url'>): Backend {
  return backendAt(name, { ollamaUrl: url, lmstudioUrl: `${url}/v1`, openaiUrl: `${url}/v1` });
}

function generate(backend: Backend): Promise<unknown> {
  const request = {
    model: MODEL[backend.name as keyof typeof MODEL],
    strictModel: true,
    messages: [{ role: 'user' as const, content: '2+2' }],
    images: [],
    options: {},
    format: undefined,
    maxAnswerBytes: 1000,
  };
  return backend.generate(request, signal, () => {});
}

/** Passes a call on, which asks for events or not; what comes of it is read and kept nowhere. */
function passOn(backend: Backend, isStreamed: boolean): Promise<unknown> {
  const call: ApiCall = {
    path: backend.name === 'ollama' ? '/api/chat' : '/v1/chat/completions',
    model: MODEL[backend.name as keyof typeof MODEL],
    ...{ strictModel: true, isStreamed, isHeard: false, maxAnswerBytes: 1000 },
    body: { messages: [{ role: 'user', content: '2+2' }], stream: isStreamed },
  };
  return backend.call(call, signal, {
    ...{ begins: () => {}, alive: () => {}, body: () => {}, event: () => false, isWhole: () => false },
    end: () => ({ usage: undefined, finishReason: undefined }),
  });
}

async function failureOf(call: Promise<unknown>): Promise<BackendError> {
  const error: unknown = await call.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof BackendError) return error;
  throw error;
}

/** Of a body in one piece the beginning is read, which is no JSON. */
const NO_JSON = /: sent something that is not JSON$|more than \d+ bytes$/;
const WHOLE = ['a body without end, and no stream', 'application/json', '{"a":"b', false, NO_JSON] as const;

const of = (type: string, status = 200) => {
  return (response: ServerResponse) => void response.writeHead(status, { 'content-type': type });
};

describe.each(BACKENDS)('%s', (name) => {
  const stream = name === 'ollama' ? 'application/x-ndjson' : 'text/event-stream';
  const beside = JSON.stringify('x'.repeat(2000));
  const silent =
    name === 'ollama' ? `{"done":false,"x":${beside}}\n` : `data: {"choices":[],"x":${beside}}\n\n`;
  const bodies: readonly (readonly [string, string, string, RegExp])[] = [
    ['JSON without end in place of a stream', 'application/json', '{"error":"no', /HTTP 200|more than/],
    [
      'a line without end',
      stream,
      name === 'ollama' ? '{"a":"' : 'data: {"a":"',
      /more than \d+ bytes in one/,
    ],
    ['a stream that says nothing without end', stream, silent, /more than \d+ bytes$/],
    ...(name !== 'ollama'
      ? ([
          ['an event without end', stream, 'data: {"a":\n', /more than \d+ bytes in one/],
          ['comments without end', stream, `: ${beside}\n\n`, /more than \d+ bytes$/],
        ] as const)
      : []),
  ];
  test.each(bodies)('%s is backend_error, and is not read on', async (_what, type, text, message) => {
    const server = await endlessServer(of(type), text, true);
    const failure = await failureOf(generate(open(name, server)));
    expect([failure.code, failure.kind]).toEqual(['backend_error', 'final']);
    expect(failure.message).toMatch(message);
    expect(await server.sent).toBeLessThan(ON_THE_WAY);
  });

  const passed = bodies.map(
    ([what, type, text, message]) => [what, type, text, true, type === stream ? message : NO_JSON] as const,
  );
  test.each([...passed, WHOLE])(
    'where a call is passed on, %s is backend_error, and is not read on',
    async (_what, type, text, isStreamed, message) => {
      const server = await endlessServer(of(type), text, true);
      const failure = await failureOf(passOn(open(name, server), isStreamed));
      expect(failure.code).toBe('backend_error');
      expect(failure.message).toMatch(message);
      expect(await server.sent).toBeLessThan(ON_THE_WAY);
    },
  );

  test('a list of models without end is backend_error, and is not read on', async () => {
    const list = name === 'ollama' ? '{"models":[{"name":"a"},' : '{"data":[{"id":"a"},';
    const server = await endlessServer((response) => {
      of('application/json')(response);
      response.write(list);
    }, '{"name":"b"},');
    const failure = await failureOf(open(name, server).listModels(signal));
    expect(failure.code).toBe('backend_error');
    expect(failure.message).toMatch(/more than \d+ bytes$/);
    expect(await server.sent).toBeLessThan(ON_THE_WAY);
  });

  test('of an error without end the beginning is told', async () => {
    const server = await endlessServer(of('text/plain', 500), 'out of memory ');
    for (const call of [
      (backend: Backend) => generate(backend),
      (backend: Backend) => backend.listModels(signal),
    ]) {
      const failure = await failureOf(call(open(name, server)));
      expect(failure.code).toBe('backend_error');
      expect(failure.message).toContain('HTTP 500: out of memory out of memory');
    }
    expect(await server.sent).toBeLessThan(ON_THE_WAY);
  });

  test('headers without end end the exchange', async () => {
    const server = await endlessServer((response) => {
      response.socket?.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`);
    }, 'z');
    const failure = await failureOf(open(name, server).listModels(signal));
    expect(failure.code).toBe('backend_error');
    expect(await server.sent).toBeLessThan(ON_THE_WAY);
  });

  test('a body in an encoding that nobody asked for is not read', async () => {
    const accepted: unknown[] = [];
    const server = await endlessServer((response, request) => {
      accepted.push(request.headers['accept-encoding']);
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    }, '\0');
    const failure = await failureOf(open(name, server).listModels(signal));
    expect(failure.message).toMatch(/: it sends its body in the encoding gzip, which nobody asked for$/);
    expect(accepted).toEqual(['identity']);
    expect(await server.sent).toBeLessThan(ON_THE_WAY);
  });
});

test('an answer that trickles in is given up after its time, and the server sees that', async () => {
  let closed: Promise<unknown> = Promise.resolve();
  const url = await serveHere((request, response) => {
    closed = once(request.socket, 'close');
    response.write('{"models":');
  });
  const transport = openTransport(signal, { maxBodyBytes: MIB, timeoutMs: 500 });
  await expect(transport.fetch(url).then((response) => response.json())).rejects.toThrow();
  expect(transport.failure()).toMatchObject({ message: 'no complete response within 500 ms' });
  await closed;
});

test.each([
  ['ollama', 2],
  ['lmstudio', 2],
  ['openai', 1],
] as const)('a list of models of %s that trickles in is given up after a minute', async (name, requests) => {
  let left = requests as number;
  let allAsked = () => {};
  const asked = new Promise<void>((resolve) => {
    allAsked = resolve;
  });
  const url = await serveHere((_request, response) => {
    response.write('{');
    left -= 1;
    if (left === 0) allAsked();
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onCleanup(() => void vi.useRealTimers());
  const failure = failureOf(open(name, { url }).listModels(signal));
  await asked;
  vi.advanceTimersByTime(60_000);
  expect((await failure).code).toBe('timeout');
});

test('an error whose body trickles in is told with what has come', async () => {
  const url = await serveHere((_request, response) => {
    response.writeHead(500).write('the GPU is');
  });
  const transport = openTransport(signal, { maxBodyBytes: MIB, errorTimeoutMs: 500 });
  await expect(transport.fetch(url)).rejects.toEqual(new HttpFailure(500, 'the GPU is'));
});
