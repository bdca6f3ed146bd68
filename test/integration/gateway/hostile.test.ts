import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TokenKeeper } from '../../../src/admin/token-keeper.js';
import { addToken, removeToken } from '../../../src/admin/tokens.js';
import { createApp } from '../../../src/gateway/app.js';
import type { GatewayCall, GatewayParts } from '../../../src/gateway/gateway-parts.js';
import { type HttpServer, openHttpServer, SERVER_BOUNDS } from '../../../src/gateway/http-server.js';
import { openRaw, type RawAnswer, readToEnd, sendRaw } from '../../support/http/raw-http.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

// SECURITY.md: P36
// What a hostile page, program or proxy sends. The gateway is the real one up to where a call would go into
// the bridge: nothing of this table may come that far.

const MAX_BODY = 100_000;
const MAX_CONNECTIONS = 8;
const LOOPBACK = { host: '127.0.0.1', port: 0 };

let calls: GatewayCall[] = [];
let problems: unknown[] = [];
let open: HttpServer;
let guarded: HttpServer;
let hasty: HttpServer;
let crowded: HttpServer;
let token: string;
let other: string;
let file: string;
const servers: HttpServer[] = [];

beforeAll(async () => {
  file = join(await tempDir(), 'tokens.json');
  const none = new TokenKeeper(`${file}.none`);
  token = await addToken(file, 'bot', Date.now());
  other = await addToken(file, 'other', Date.now());
  const parts = (guards: Partial<GatewayParts['guards']>): GatewayParts => ({
    answer: async (call) => {
      calls.push(call);
      if (call.body.waits === true) await new Promise((end) => call.left.addEventListener('abort', end));
      return Response.json({ ok: true });
    },
    models: async () => [],
    health: async () => ({ reason: null, notReady: {} }),
    metrics: { scrape: async () => ({ text: 'up 1\n', contentType: 'text/plain' }) },
    aliases: new Map(),
    guards: {
      allowedHosts: ['gateway.lan'],
      corsOrigins: ['https://chat.example.org'],
      tokens: none,
      isOpenToOthers: false,
      ...guards,
    },
    maxBodyBytes: () => MAX_BODY,
    maxCalls: 100,
    maxHeldBytes: 10_000_000,
    version: '0',
    onProblem: (error) => problems.push(error),
  });
  open = await openHttpServer(createApp(parts({})), LOOPBACK);
  guarded = await openHttpServer(createApp(parts({ tokens: new TokenKeeper(file) })), LOOPBACK);
  hasty = await openHttpServer(createApp(parts({})), LOOPBACK, {
    ...SERVER_BOUNDS,
    headersTimeoutMs: 150,
    requestTimeoutMs: 300,
    checkEveryMs: 50,
  });
  crowded = await openHttpServer(createApp(parts({})), LOOPBACK, {
    ...SERVER_BOUNDS,
    headersTimeoutMs: 600_000,
    requestTimeoutMs: 600_000,
    maxConnections: MAX_CONNECTIONS,
  });
  servers.push(open, guarded, hasty, crowded);
});
afterAll(async () => {
  for (const server of servers) await server.close();
});
beforeEach(() => {
  calls = [];
  problems = [];
});

/** Lines of a call, with the end of the connection asked for. */
function lines(first: string, ...headers: readonly string[]): string {
  return `${[first, ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`;
}

const HOST = 'Host: localhost';
const JSON_TYPE = 'Content-Type: application/json';
const CHAT = 'POST /v1/chat/completions HTTP/1.1';

/** A whole call that generates. */
function chat(headers: readonly string[] = [HOST, JSON_TYPE], body = '{}', first = CHAT): string {
  return `${lines(first, ...headers, `Content-Length: ${body.length}`)}${body}`;
}

/** Nothing came into the bridge, the answer is one, and its form is an API's. */
function expectRefused(answer: RawAnswer, statuses: readonly number[]): void {
  expect(calls).toEqual([]);
  expect(problems).toEqual([]);
  expect(answer.statuses, answer.text).toHaveLength(1);
  expect(statuses).toContain(answer.statuses[0]);
}

test('what is well meant comes in', async () => {
  expect((await sendRaw(open.url, chat())).statuses).toEqual([200]);
  expect(calls).toHaveLength(1);
});

test('a connection is kept longer than a proxy in front keeps its own (tashfeenahmed/freellmapi#1116)', async () => {
  const { headers } = await fetch(`${open.url}/health`);
  const [, seconds] = /timeout=(\d+)/.exec(headers.get('keep-alive') ?? '') ?? [];
  // Caddy keeps its connections for two minutes. A call that comes as we close one is a 502.
  expect(Number(seconds)).toBeGreaterThan(120);
});

describe('a path', () => {
  test.each([
    ['an empty part', '//v1/models', 400],
    ['an empty part within', '/v1//models', 400],
    ['a slash at its end', '/v1/models/', 400],
    ['a dot', '/./v1/models', 400],
    ['two dots', '/v1/../v1/models', 400],
    ['two dots behind a model', '/v1/models/../../metrics', 400],
    ['encoded dots', '/%2e%2e/v1/models', 400],
    ['an encoded letter', '/v1/%6dodels', 400],
    ['an encoded slash', '/v1/chat%2fcompletions', 400],
    ['a doubly encoded slash', '/v1/chat%252fcompletions', 400],
    ['a parameter', '/v1/models;x=1', 400],
    ['a backslash', '/v1\\models', 400],
    ['a fragment', '/v1/models#x', 400],
    ['a host', 'http://localhost/v1/models', 400],
    ['another host', 'http://evil.example/v1/models', 400],
    ['a scheme of its own', 'file:///etc/passwd', 400],
    ['a star', '*', 400],
    ['letters that are none', '/v1/mod\xe9ls', 400],
    ['too many letters', `/${'a'.repeat(600)}`, 400],
    ['capitals', '/V1/models', 404],
    ['half an encoding', '/v1/models/%2', 400],
    ['no UTF-8', '/v1/models/%ff', 400],
    ['an encoded NUL', '/v1/models/%00', 404],
    ['encoded dots for a model', '/v1/models/%2e%2e%2f%2e%2e', 404],
    ['a name of every object', '/v1/models/__proto__', 404],
    ['a name of every object alone', '/constructor', 404],
  ])('with %s is refused', async (_what, path, status) => {
    expectRefused(await sendRaw(open.url, lines(`GET ${path} HTTP/1.1`, HOST)), [status]);
  });
});

describe('a Host', () => {
  test.each([
    ['of another', 'Host: evil.example'],
    ['of another at our port', 'Host: evil.example:11435'],
    ['that begins like ours', 'Host: localhost.evil.example'],
    ['that has our address in its name', 'Host: 127.0.0.1.evil.example'],
    ['that ends like an allowed one', 'Host: xgateway.lan'],
    ['with a user', 'Host: evil@localhost'],
    ['with two ports', 'Host: localhost:80:80'],
    ['with a path', 'Host: localhost/x'],
    ['that is empty', 'Host:'],
    ['that is two', 'Host: localhost, evil.example'],
    ['that is there twice', 'Host: localhost\r\nHost: evil.example'],
    ['that is missing', 'X-Host: localhost'],
    ['that a proxy is said to have seen', 'Host: evil.example\r\nX-Forwarded-Host: localhost'],
  ])('%s is refused', async (_what, host) => {
    expectRefused(await sendRaw(open.url, chat([host, JSON_TYPE])), [400, 403]);
  });

  test.each(['localhost', 'LOCALHOST:11435', '127.0.0.1:1', '[::1]:11435', '192.168.1.2', 'gateway.lan:80'])(
    '%s is ours',
    async (host) => {
      expect((await sendRaw(open.url, chat([`Host: ${host}`, JSON_TYPE]))).statuses).toEqual([200]);
    },
  );
});

describe('a web page', () => {
  const page = (...headers: readonly string[]) => sendRaw(open.url, chat([HOST, JSON_TYPE, ...headers]));

  test.each([
    ['of another origin', 'Origin: https://evil.example'],
    ['without an origin of its own', 'Origin: null'],
    ['of this machine, at another port', 'Origin: http://localhost:3000'],
    ['of a file', 'Origin: file://'],
    ['whose origin begins like an allowed one', 'Origin: https://chat.example.org.evil.example'],
    ['of an allowed name without TLS', 'Origin: http://chat.example.org'],
    ['that says only that it is another', 'Sec-Fetch-Site: cross-site'],
    ['of a sister domain', 'Sec-Fetch-Site: same-site'],
    ['that sends a form', 'Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate'],
  ])('%s cannot call', async (_what, header) => {
    expectRefused(await page(header), [403]);
  });

  test.each(['text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded'])(
    'cannot call with what needs no question first: %s',
    async (type) => {
      const headers = [HOST, `Content-Type: ${type}`, 'Origin: https://evil.example'];
      expectRefused(await sendRaw(open.url, chat(headers, '{}', 'POST /api/chat HTTP/1.1')), [403]);
    },
  );

  test('cannot read the models by an image or a script', async () => {
    const image = lines(
      'GET /v1/models HTTP/1.1',
      HOST,
      'Sec-Fetch-Site: cross-site',
      'Sec-Fetch-Mode: no-cors',
    );
    expectRefused(await sendRaw(open.url, image), [403]);
  });

  test('is not told that it may call', async () => {
    const question = lines(
      'OPTIONS /v1/chat/completions HTTP/1.1',
      HOST,
      'Origin: https://evil.example',
      'Access-Control-Request-Method: POST',
    );
    const answer = await sendRaw(open.url, question);
    expectRefused(answer, [403]);
    expect(answer.text).not.toMatch(/access-control/i);
  });

  test('of an allowed origin can call, and read the answer', async () => {
    const origin = 'Origin: https://chat.example.org';
    const question = lines(
      'OPTIONS /v1/chat/completions HTTP/1.1',
      HOST,
      origin,
      'Access-Control-Request-Headers: authorization',
    );
    for (const server of [open, guarded]) {
      const asked = await sendRaw(server.url, question);
      expect(asked.statuses).toEqual([204]);
      expect(asked.text).toMatch(/access-control-allow-origin: https:\/\/chat\.example\.org\r\n/i);
      expect(asked.text).toMatch(/access-control-allow-headers: authorization\r\n/i);
      expect(asked.text).not.toMatch(/access-control-allow-credentials/i);
    }
    const said = await page(origin);
    expect(said.statuses).toEqual([200]);
    expect(said.text).toMatch(/access-control-allow-origin: https:\/\/chat\.example\.org\r\n/i);
  });

  test('of our own can call', async () => {
    expect((await page('Origin: http://localhost')).statuses).toEqual([200]);
  });
});

describe('a body', () => {
  test.each([
    ['of plain text', ['Content-Type: text/plain']],
    ['of a form', ['Content-Type: application/x-www-form-urlencoded']],
    ['of many parts', ['Content-Type: multipart/form-data; boundary=x']],
    ['of no type', []],
    ['of a type that begins like JSON', ['Content-Type: application/jsonx']],
    ['that is gzip', [JSON_TYPE, 'Content-Encoding: gzip']],
    ['that is gzip twice', [JSON_TYPE, 'Content-Encoding: gzip, gzip']],
    ['that is brotli', [JSON_TYPE, 'Content-Encoding: br']],
    ['that is deflate', [JSON_TYPE, 'Content-Encoding: DEFLATE']],
    ['that is zstd', [JSON_TYPE, 'Content-Encoding: zstd']],
  ])('%s is refused', async (_what, headers) => {
    expectRefused(await sendRaw(open.url, chat([HOST, ...headers])), [415]);
  });

  test('as curl -d sends it comes in where the pages of that API have it so', async () => {
    const form = [HOST, 'Content-Type: application/x-www-form-urlencoded'];
    const body = '{"messages":[{}]}';
    expect((await sendRaw(open.url, chat(form, body, 'POST /api/chat HTTP/1.1'))).statuses).toEqual([200]);
  });

  test.each([
    ['that says it is too long', chat([HOST, JSON_TYPE], 'x'.repeat(MAX_BODY + 1)), 413],
    [
      'that is too long in chunks',
      `${lines(CHAT, HOST, JSON_TYPE, 'Transfer-Encoding: chunked')}${`4000\r\n${'x'.repeat(0x4000)}\r\n`.repeat(8)}0\r\n\r\n`,
      413,
    ],
    ['that nests deep', chat([HOST, JSON_TYPE], `{"a":${'['.repeat(40_000)}${']'.repeat(40_000)}}`), 400],
    ['with a key twice', chat([HOST, JSON_TYPE], '{"model":"a","model":"b"}'), 400],
    ['with __proto__', chat([HOST, JSON_TYPE], '{"a":{"__proto__":{"b":1}}}'), 400],
    ['that is no UTF-8', chat([HOST, JSON_TYPE], '{"a":"\xff"}'), 400],
    ['with a byte order mark', chat([HOST, JSON_TYPE], '\xef\xbb\xbf{}'), 400],
    ['that is a list', chat([HOST, JSON_TYPE], '[]'), 400],
    ['that is nothing', chat([HOST, JSON_TYPE], ''), 400],
    ['with a number of a million digits', chat([HOST, JSON_TYPE], `{"a":${'9'.repeat(90_000)}}`), 400],
  ])('%s is refused', async (_what, bytes, status) => {
    expectRefused(await sendRaw(open.url, bytes), [status]);
  });
});

describe('what two readers could take for two calls', () => {
  const post = (headers: readonly string[], rest: string) =>
    `${lines(CHAT, HOST, JSON_TYPE, ...headers)}${rest}`;
  const SECOND = chat();

  test.each([
    ['a length and chunks', post(['Content-Length: 5', 'Transfer-Encoding: chunked'], `0\r\n\r\n${SECOND}`)],
    ['chunks and a length', post(['Transfer-Encoding: chunked', 'Content-Length: 5'], `0\r\n\r\n${SECOND}`)],
    ['two lengths', post(['Content-Length: 2', 'Content-Length: 3'], '{} ')],
    ['one length twice', post(['Content-Length: 2', 'Content-Length: 2'], '{}')],
    ['a list of lengths', post(['Content-Length: 2, 2'], '{}')],
    ['a length with a sign', post(['Content-Length: +2'], '{}')],
    ['a length below nothing', post(['Content-Length: -1'], '{}')],
    ['a length in hex', post(['Content-Length: 0x2'], '{}')],
    ['a length without end', post(['Content-Length: 99999999999999999999999'], '{}')],
    ['an unknown coding', post(['Transfer-Encoding: xchunked'], '2\r\n{}\r\n0\r\n\r\n')],
    ['chunks that are not last', post(['Transfer-Encoding: chunked, gzip'], '2\r\n{}\r\n0\r\n\r\n')],
    ['chunks said twice', post(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n')],
    [
      'chunks in HTTP/1.0',
      post(['Transfer-Encoding: chunked'], '2\r\n{}\r\n0\r\n\r\n').replace('HTTP/1.1', 'HTTP/1.0'),
    ],
    ['chunks with a trick', post(['Transfer-Encoding: \x0bchunked'], '2\r\n{}\r\n0\r\n\r\n')],
    ['a chunk whose size is no number', post(['Transfer-Encoding: chunked'], 'zz\r\n{}\r\n0\r\n\r\n')],
    ['a chunk whose size overflows', post(['Transfer-Encoding: chunked'], `${'F'.repeat(20)}\r\n{}`)],
    [
      'a chunk that is longer than it says',
      post(['Transfer-Encoding: chunked'], `1\r\n{}\r\n0\r\n\r\n${SECOND}`),
    ],
    ['a header over two lines', post(['X-A: b', ' Content-Length: 2'], '{}')],
    ['a space before a colon', post(['Content-Length : 2'], '{}')],
    ['a header without a colon', post(['Content-Length 2'], '{}')],
    ['a NUL in a header', post(['X-A: a\0b', 'Content-Length: 2'], '{}')],
    ['a bare CR in a header', post(['X-A: a\rContent-Length: 2'], '{}')],
    ['lines that end in LF alone', chat().replaceAll('\r\n', '\n')],
    ['two credentials', chat([HOST, JSON_TYPE, 'Authorization: Bearer a', 'Authorization: Bearer b'])],
  ])('is refused, and ends the connection: %s', async (_what, bytes) => {
    expectRefused(await sendRaw(open.url, bytes), [400, 413]);
  });

  test.each([
    ['no version', 'GET /v1/models\r\n\r\n'],
    ['a version of later', 'GET /v1/models HTTP/9.9\r\nHost: localhost\r\n\r\n'],
    ['the beginning of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a method in small letters', lines('get /v1/models HTTP/1.1', HOST)],
    ['a method nobody knows', lines('STEAL /v1/models HTTP/1.1', HOST)],
    ['a tab in its first line', lines('GET\t/v1/models\tHTTP/1.1', HOST)],
  ])('is no HTTP as it has to be: %s', async (_what, bytes) => {
    expectRefused(await sendRaw(open.url, bytes), [400]);
  });

  test.each([
    ['CONNECT', lines('CONNECT evil.example:443 HTTP/1.1', HOST), []],
    ['TRACE', lines('TRACE /v1/models HTTP/1.1', HOST), [405]],
    ['DELETE', lines('DELETE /v1/models/x HTTP/1.1', HOST), [405]],
    ['a web socket', lines('GET /v1/realtime HTTP/1.1', HOST, 'Upgrade: websocket'), [501]],
    ['an expectation of nobody', chat([HOST, JSON_TYPE, 'Expect: tea']), [417]],
  ])('is no way in: %s', async (_what, bytes, statuses) => {
    expect((await sendRaw(open.url, bytes)).statuses).toEqual(statuses);
    expect(calls).toEqual([]);
  });
});

describe('a call that asks before it sends its body', () => {
  const asks = (length: number | null, ...headers: readonly string[]) => {
    const size = length === null ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`;
    return `${[CHAT, ...headers, size, 'Expect: 100-continue'].join('\r\n')}\r\n\r\n`;
  };

  // The first answer, and the end of the connection, come without a byte of the body.
  test.each([
    ['that is too long', () => open, [HOST, JSON_TYPE], MAX_BODY + 1, 413],
    ['of another host', () => open, ['Host: evil.example', JSON_TYPE], 2, 403],
    ['of another origin', () => open, [HOST, JSON_TYPE, 'Origin: https://evil.example'], 2, 403],
    ['that is gzip', () => open, [HOST, JSON_TYPE, 'Content-Encoding: gzip'], 2, 415],
    ['of plain text', () => open, [HOST, 'Content-Type: text/plain'], null, 415],
    [
      'with two credentials',
      () => open,
      [HOST, 'Authorization: Bearer a', 'Authorization: Bearer b'],
      2,
      400,
    ],
    ['without a token', () => guarded, [HOST, JSON_TYPE], 2, 401],
    ['with a wrong token', () => guarded, [HOST, JSON_TYPE, 'x-api-key: wrong'], null, 401],
  ] as const)('is refused before it did: one %s', async (_what, server, headers, length, status) => {
    expectRefused(await sendRaw(server().url, asks(length, ...headers)), [status]);
  });

  test('is told to go on where it may come in, and its connection is kept', async () => {
    const socket = await openRaw(open.url);
    const whole = readToEnd(socket);
    socket.write(asks(2, HOST, JSON_TYPE));
    await waitUntil(() => socket.bytesRead > 0, 'the client is told to go on');
    expect(calls).toEqual([]);
    socket.write(`{}${chat()}`);
    expect((await whole).text.match(/HTTP\/1\.1 \d+/g)).toEqual([
      'HTTP/1.1 100',
      'HTTP/1.1 200',
      'HTTP/1.1 200',
    ]);
    expect(calls).toHaveLength(2);
  });

  test('is at work, however many connections come meanwhile that say nothing', async () => {
    const socket = await openRaw(crowded.url);
    const whole = readToEnd(socket);
    socket.write(asks(2, HOST, JSON_TYPE, 'Connection: close'));
    await waitUntil(() => socket.bytesRead > 0, 'the client is told to go on');
    const idle: Socket[] = [];
    for (let n = 0; n < MAX_CONNECTIONS * 2; n += 1) idle.push(await openRaw(crowded.url));
    await Promise.all(idle.slice(0, MAX_CONNECTIONS).map(readToEnd));
    socket.write('{}');
    expect((await whole).statuses).toEqual([100, 200]);
    for (const one of idle) one.destroy();
  });
});

describe('a bomb', () => {
  test.each([
    ['of one header', lines('GET /v1/models HTTP/1.1', HOST, `X-A: ${'a'.repeat(20_000)}`), 431],
    [
      'of many headers',
      lines('GET /v1/models HTTP/1.1', HOST, ...Array.from({ length: 4000 }, (_, n) => `X-${n}: a`)),
      431,
    ],
    ['of a first line', lines(`GET /v1/models?${'a'.repeat(20_000)} HTTP/1.1`, HOST), 431],
    [
      'behind a chunk',
      `${lines(CHAT, HOST, JSON_TYPE, 'Transfer-Encoding: chunked')}2;${'a'.repeat(40_000)}\r\n{}\r\n0\r\n\r\n`,
      400,
    ],
  ])('%s is refused', async (_what, bytes, status) => {
    const answer = await sendRaw(open.url, bytes);
    expect(calls).toEqual([]);
    expect(answer.statuses[0], answer.text).toBe(status);
  });
});

describe('whoever is slow', () => {
  test.each([
    ['says nothing', ''],
    ['says half a line', 'GET /v1/mod'],
    ['never ends its headers', `GET /v1/models HTTP/1.1\r\n${HOST}\r\n`],
    ['never sends its body', `${CHAT}\r\n${HOST}\r\n${JSON_TYPE}\r\nContent-Length: 10\r\n\r\n{`],
  ])('and %s is let go', async (_what, bytes) => {
    const answer = await sendRaw(hasty.url, bytes);
    expect(calls).toEqual([]);
    expect([[], [408]]).toContainEqual(answer.statuses);
  });

  test('keeps nobody else out, with however many connections', async () => {
    const idle: Socket[] = [];
    // One after the other, so that it is known which is the oldest.
    for (let n = 0; n < 30; n += 1) idle.push(await openRaw(crowded.url));
    expect((await sendRaw(crowded.url, chat())).statuses).toEqual([200]);
    // The oldest made room: for their silence they would be let go in ten minutes.
    const gone = idle.slice(0, 30 - MAX_CONNECTIONS + 1);
    await Promise.all(gone.map(readToEnd));
    expect(idle.slice(gone.length).filter((socket) => socket.destroyed)).toEqual([]);
    for (const socket of idle) socket.destroy();
  });
});

describe('a token', () => {
  const withToken = (...headers: readonly string[]) =>
    sendRaw(guarded.url, chat([HOST, JSON_TYPE, ...headers]));

  test.each([
    ['none', []],
    ['an empty one', ['Authorization: Bearer ']],
    ['a wrong one', ['Authorization: Bearer llmb_0000000000000000000000000000000000000000000']],
    ['one that begins alike', () => [`Authorization: Bearer ${token.slice(0, -1)}`]],
    ['one with more behind it', () => [`Authorization: Bearer ${token}x`]],
    ['one in other letters', () => [`Authorization: Bearer ${token.toUpperCase()}`]],
    ['one as a password', () => [`Authorization: Basic ${Buffer.from(`x:${token}`).toString('base64')}`]],
    ['one without its scheme', () => [`Authorization: ${token}`]],
    ['one of two in one header', () => [`Authorization: Bearer wrong, Bearer ${token}`]],
    ['one in a cookie', () => [`Cookie: token=${token}`]],
    ['a very long one', ['Authorization: Bearer '.padEnd(9000, 'a')]],
    ['its hash', ['x-api-key: '.padEnd(75, '0')]],
  ] as const)('is wanted, and %s is not enough', async (_what, headers) => {
    const answer = await withToken(...(typeof headers === 'function' ? headers() : headers));
    expectRefused(answer, [401]);
    expect(answer.text).toMatch(/www-authenticate: Bearer/i);
    // Errors are copied into chats and tickets.
    expect(answer.text).not.toContain(token.slice(5, 30));
  });

  test('in the address is none', async () => {
    const bytes = lines(`GET /v1/models?api_key=${'x'}&key=${token} HTTP/1.1`, HOST);
    expectRefused(await sendRaw(guarded.url, bytes), [401]);
  });

  test.each(['/', '/v1/models', '/api/tags', '/api/version', '/v1/nothing'])(
    'is wanted for %s as well',
    async (path) => {
      expectRefused(await sendRaw(guarded.url, lines(`GET ${path} HTTP/1.1`, HOST)), [401]);
    },
  );

  test('lets in by either header, and by its name alone the call is known', async () => {
    expect((await withToken(`Authorization: Bearer ${token}`)).statuses).toEqual([200]);
    expect((await withToken(`authorization: bearer ${token}`)).statuses).toEqual([200]);
    expect((await withToken(`x-api-key: ${token}`)).statuses).toEqual([200]);
    expect(calls.map((call) => call.token)).toEqual(['bot', 'bot', 'bot']);
    expect(JSON.stringify(calls)).not.toContain(token);
  });

  test('is one of those that a call has: a wrong one beside it does not harm, another name does', async () => {
    const [good, wrong] = [`Authorization: Bearer ${token}`, 'x-api-key: any'];
    expect((await withToken(good, wrong)).statuses).toEqual([200]);
    expect((await withToken('Authorization: Bearer any', `x-api-key: ${token}`)).statuses).toEqual([200]);
    calls = [];
    expectRefused(await withToken(good, `x-api-key: ${other}`), [400]);
    // A browser sends its cookie with whatever a page calls.
    expectRefused(await withToken('Authorization: Bearer any', `Cookie: llm_bridge_token=${token}`), [401]);
    expect((await withToken(`Cookie: llm_bridge_token=${token}`)).statuses).toEqual([200]);
  });

  test('that is removed ends the calls that came with it, and no other', async () => {
    const body = '{"waits":true}';
    const waiting = [other, token].map((one) =>
      sendRaw(guarded.url, chat([HOST, JSON_TYPE, `x-api-key: ${one}`], body)),
    );
    await waitUntil(() => calls.length === 2, 'both calls are in');
    await removeToken(file, 'other');
    expect((await waiting[0])?.statuses).toEqual([]);
    const hasLeft = (name: string) => calls.find((call) => call.token === name)?.left.aborted;
    await waitUntil(() => hasLeft('other'), 'the gateway knows that it has left');
    expect(hasLeft('bot')).toBe(false);
    await removeToken(file, 'bot');
    expect((await waiting[1])?.statuses).toEqual([]);
  });
});
