import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type Backend,
  BackendError,
  type GenerateRequest,
  type Generation,
} from '../../../../src/agent/backends/backend.js';
import { DEFAULT_BACKEND_ORDER } from '../../../../src/agent/backends/backends.js';
import type { Behaviour } from '../../../../src/demo/stand-in/stand-in-request.js';
import type { StandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import {
  allAt,
  BACKENDS,
  backendAt,
  chatBodies,
  deadUrl,
  gate,
  MODEL,
  standInFor,
} from '../generate-fixture.js';

const signal = new AbortController().signal;
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

afterEach(() => vi.restoreAllMocks());

function open(name: (typeof BACKENDS)[number], standIn: StandIn): Backend {
  return backendAt(name, standIn);
}

function ask(backend: Backend, changes: Partial<GenerateRequest> = {}): Promise<Generation> {
  const request = {
    model: MODEL[backend.name as keyof typeof MODEL],
    strictModel: true,
    messages: [{ role: 'user' as const, content: '2+2' }],
    images: [],
    options: {},
    format: undefined,
    maxAnswerBytes: 1024 * 1024,
    ...changes,
  };
  return backend.generate(request, signal, () => {});
}

async function failureOf(call: Promise<unknown>): Promise<BackendError> {
  const error: unknown = await call.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof BackendError) return error;
  throw error;
}

test('no backend is left out of this contract: each has a wire of the stand-in', () => {
  expect(BACKENDS).toEqual(DEFAULT_BACKEND_ORDER);
});

describe.each(BACKENDS)('%s', (name) => {
  const failures: readonly (readonly [string, Behaviour, string, RegExp])[] = [
    [
      'a socket that dies in the middle',
      { fault: { afterChunks: 2, kind: 'die' } },
      'backend_error',
      /connection was lost/,
    ],
    [
      'a socket that dies before the first byte',
      { fault: { afterChunks: 0, kind: 'die' } },
      'backend_error',
      /connection was lost/,
    ],
    [
      'a stream that ends before the answer does',
      { fault: { afterChunks: 2, kind: 'end' } },
      'backend_error',
      name === 'ollama' ? /Did not receive done/ : /ended the stream before/,
    ],
    [
      'an error line in the stream',
      { fault: { afterChunks: 2, kind: 'error', message: 'GPU on fire' } },
      'backend_error',
      /: GPU on fire$/,
    ],
    [
      'an overflow told in the stream',
      { fault: { afterChunks: 0, kind: 'error', message: 'Context size has been exceeded.' } },
      'context_overflow',
      /Context size/,
    ],
    ['a line that is no JSON', { fault: { afterChunks: 2, kind: 'malformed' } }, 'backend_error', /not JSON/],
    [
      'a line that is no chunk',
      { fault: { afterChunks: 2, kind: 'alien' } },
      'backend_error',
      /no part of an answer/,
    ],
    [
      'a model that is missing',
      { refuse: { kind: 'model-missing' } },
      'model_not_found',
      /HTTP 40[04]: .*not found/,
    ],
    [
      'a prompt that does not fit',
      { refuse: { kind: 'context-overflow' } },
      'context_overflow',
      /HTTP 400: .*context/,
    ],
    [
      'HTTP 500',
      { refuse: { kind: 'http', status: 500, body: '{"error":"out of memory"}' } },
      'backend_error',
      /HTTP 500: out of memory$/,
    ],
    [
      'HTTP 503 in plain text',
      { refuse: { kind: 'http', status: 503, body: 'overloaded', contentType: 'text/plain' } },
      'backend_error',
      /HTTP 503: overloaded$/,
    ],
    [
      'HTTP 502 without a body',
      { refuse: { kind: 'http', status: 502, body: '' } },
      'backend_error',
      /HTTP 502$/,
    ],
    [
      'HTTP 500 that speaks of a timeout',
      { refuse: { kind: 'http', status: 500, body: '{"error":"load timed out"}' } },
      'backend_error',
      /HTTP 500: load timed out$/,
    ],
    [
      'HTTP 404 of something that is no model server',
      { refuse: { kind: 'http', status: 404, body: '<h1>Not Found</h1>', contentType: 'text/html' } },
      'backend_error',
      /HTTP 404/,
    ],
    ['an empty answer', { answer: '' }, 'empty_answer', /answered nothing \(finish reason: stop\)$/],
    ['an answer of white space', { answer: ' \n ' }, 'empty_answer', /answered nothing/],
    [
      'thinking without an answer',
      { answer: '', thinking: 'hm', finishReason: 'length' },
      'empty_answer',
      /after 2 characters of thinking \(finish reason: length\)/,
    ],
  ];
  test.each(failures)(
    '%s is told as what it is, and nothing is printed',
    async (_what, behaviour, code, message) => {
      const printed = (['log', 'warn', 'error'] as const).map((method) => vi.spyOn(console, method));
      const standIn = await standInFor({ behave: () => ({ answer: 'one two three four', ...behaviour }) });
      const failure = await failureOf(ask(open(name, standIn)));
      expect(failure.code).toBe(code);
      expect(failure.message).toMatch(message);
      expect(failure.message).toContain(`${name} at ${open(name, standIn).url}: `);
      for (const method of printed) expect(method).not.toHaveBeenCalled();
    },
  );

  test('what a server says is one bounded line in the message', async () => {
    const body = JSON.stringify({ error: `first\nsecond\u0007${'x'.repeat(50_000)}` });
    const standIn = await standInFor({ behave: () => ({ refuse: { kind: 'http', status: 500, body } }) });
    const { message } = await failureOf(ask(open(name, standIn)));
    expect(message).toContain('first second xxx');
    expect(message).toHaveLength(1000);
  });

  test('a refused connection is backend_unreachable, for the list of models and for a generation', async () => {
    const url = await deadUrl();
    const backend = backendAt(name, allAt(url));
    expect((await failureOf(ask(backend))).code).toBe('backend_unreachable');
    expect((await failureOf(backend.listModels(signal))).code).toBe('backend_unreachable');
  });

  test('a host name that does not exist is backend_unreachable', async () => {
    // No dot: else it is no private address.
    const backend = backendAt(
      name,
      allAt(`http://${name === 'openai' ? 'no-such-host' : 'no-such-host.invalid'}:11434`),
    );
    expect((await failureOf(ask(backend))).code).toBe('backend_unreachable');
  });

  test('the options go out by the names of the server', async () => {
    const standIn = await standInFor();
    const options = { temperature: 0.5, top_p: 0.9, max_tokens: 64, num_ctx: 8192, seed: 7, stop: ['END'] };
    await ask(open(name, standIn), { options });
    const { max_tokens, num_ctx, ...same } = options;
    const [body] = chatBodies(standIn);
    if (name === 'ollama') {
      expect(body).toMatchObject({ stream: true, options: { ...same, num_ctx, num_predict: max_tokens } });
      expect(JSON.stringify(body)).not.toContain('max_tokens');
    } else {
      expect(body).toMatchObject({
        stream: true,
        stream_options: { include_usage: true },
        ...same,
        max_tokens,
      });
      expect(JSON.stringify(body)).not.toContain('num_ctx');
    }
  });

  test('an option the task does not have is not sent', async () => {
    const standIn = await standInFor();
    await ask(open(name, standIn));
    const expected =
      name === 'ollama'
        ? ['model', 'messages', 'stream', 'options', 'truncate', 'shift']
        : ['model', 'messages', 'stream', 'stream_options'];
    expect(Object.keys(chatBodies(standIn)[0] as object).sort()).toEqual(expected.sort());
  });

  test('images go out as bytes, with the last message of the user', async () => {
    const standIn = await standInFor();
    const messages = [
      { role: 'user' as const, content: 'first' },
      { role: 'assistant' as const, content: 'yes?' },
      { role: 'user' as const, content: 'what is this?' },
      { role: 'assistant' as const, content: 'let me see' },
    ];
    await ask(open(name, standIn), { messages, images: [PNG] });
    const base64 = PNG.toString('base64');
    const [first, yes, , see] = messages;
    const question =
      name === 'ollama'
        ? { role: 'user', content: 'what is this?', images: [base64] }
        : {
            role: 'user',
            content: [
              { type: 'text', text: 'what is this?' },
              { type: 'image_url', image_url: { url: `data:image/png;base64,${base64}` } },
            ],
          };
    expect((chatBodies(standIn)[0] as { messages: unknown }).messages).toEqual([first, yes, question, see]);
  });

  test('thinking is kept apart from the answer', async () => {
    const standIn = await standInFor({ behave: () => ({ thinking: 'two and two' }) });
    expect(await ask(open(name, standIn))).toMatchObject({ answer: '4', thinking: 'two and two' });
  });

  test('raw <think> text is split off the answer', async () => {
    const standIn = await standInFor({ behave: () => ({ thinking: 'two and two', rawThinkTags: true }) });
    expect(await ask(open(name, standIn))).toMatchObject({ answer: '4', thinking: 'two and two' });
  });

  test('an abort of the list of models closes the request and throws the reason', async () => {
    const standIn = await standInFor();
    const controller = new AbortController();
    const reason = new Error('stop');
    controller.abort(reason);
    await expect(open(name, standIn).listModels(controller.signal)).rejects.toBe(reason);
    expect(standIn.requests).toEqual([]);
  });

  test('a generation that fails on our side closes the request at the server', async () => {
    const standIn = await standInFor({
      behave: () => ({ answer: 'one two', pause: { afterChunks: 1, until: gate().opened } }),
    });
    const arrived = standIn.nextRequest();
    const generation = open(name, standIn).generate(
      {
        model: MODEL[name],
        strictModel: true,
        messages: [{ role: 'user', content: 'hi' }],
        images: [],
        options: {},
        format: undefined,
        maxAnswerBytes: 1024 * 1024,
      },
      signal,
      (sign) => {
        if (sign.type === 'piece') throw new Error('the listener is broken');
      },
    );
    await expect(generation).rejects.toThrow('the listener is broken');
    expect(await (await arrived).ended).toBe('lost');
  });

  test('a list of models that cannot be read is backend_error', async () => {
    const standIn = await standInFor();
    const elsewhere = `${standIn.ollamaUrl}/elsewhere`;
    const backend = backendAt(name, allAt(elsewhere));
    expect((await failureOf(backend.listModels(signal))).message).toContain('HTTP 404: 404 page not found');
  });

  test('counts that are none do not cost the answer', async () => {
    const standIn = await standInFor({
      behave: () => ({ usage: { promptTokens: -1, completionTokens: 3 } }),
    });
    expect(await ask(open(name, standIn))).toMatchObject({ answer: '4', usage: { completion_tokens: 3 } });
  });
});

test('an image that decodes to a path, or whose base64 is one, is sent as it is and never read', async () => {
  const standIn = await standInFor();
  // Letters and slashes only, and a multiple of four long: base64 and an existing path at once.
  const folder = await mkdtemp('/tmp/aaaaaaaa');
  onCleanup(() => rm(folder, { recursive: true }));
  const file = join(folder, 'secret').padEnd(28, 'x');
  await writeFile(file, 'the secret of the machine');
  const images = [Buffer.from(file, 'base64'), Buffer.from(file)];
  await ask(open('ollama', standIn), { images });
  expect(chatBodies(standIn)).toMatchObject([
    { messages: [{ images: images.map((bytes) => bytes.toString('base64')) }] },
  ]);
  expect(file).toHaveLength(28);
  expect(images[0]?.toString('base64')).toBe(file);
});

test.each(['lmstudio', 'openai'] as const)('%s is sent an image of a known kind, or none', async (name) => {
  const standIn = await standInFor();
  const failure = await failureOf(ask(open(name, standIn), { images: [PNG, Buffer.from('/etc/passwd')] }));
  expect(failure.code).toBe('invalid_task');
  expect(failure.message).toBe('image 2 is no PNG, JPEG, GIF or WebP');
  expect(standIn.requests).toEqual([]);
});

test("an error LM Studio tells with HTTP 200 and plain JSON is an error in LM Studio's words", async () => {
  const body = '{"error":"Unexpected endpoint or method. (POST /v1/chat/completions)"}';
  const standIn = await standInFor({ behave: () => ({ refuse: { kind: 'http', status: 200, body } }) });
  const failure = await failureOf(ask(open('lmstudio', standIn)));
  expect(failure.message).toContain('HTTP 200: Unexpected endpoint');
});

test.each([
  ['lmstudio', ['/api/v0/models', '/api/v0/models', '/v1/chat/completions', '/v1/models', '/v1/models']],
  ['openai', ['/openai/v1/chat/completions', '/openai/v1/models', '/openai/v1/models']],
] as const)('nothing of the OpenAI settings in the environment reaches %s', async (name, paths) => {
  vi.stubEnv('OPENAI_API_KEY', 'sk-secret');
  vi.stubEnv('OPENAI_ADMIN_KEY', 'sk-admin-secret');
  vi.stubEnv('OPENAI_ORG_ID', 'org-secret');
  vi.stubEnv('OPENAI_PROJECT_ID', 'proj-secret');
  vi.stubEnv('OPENAI_BASE_URL', 'http://127.0.0.1:9/secret');
  vi.stubEnv('OPENAI_CUSTOM_HEADERS', 'x-secret: header-secret');
  onCleanup(() => {
    vi.unstubAllEnvs();
  });
  const standIn = await standInFor();
  await ask(open(name, standIn));
  await open(name, standIn).listModels(signal);
  expect(standIn.requests.map(({ path }) => path).sort()).toEqual(paths);
  for (const request of standIn.requests) expect(JSON.stringify(request.headers)).not.toContain('secret');
});
