import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openAssembler } from '../../../../../src/agent/requests/assemble/open-assembler.js';
import type { Behaviour, WireName } from '../../../../../src/demo/stand-in/stand-in-request.js';
import { type StandIn, startStandIn } from '../../../../../src/demo/stand-in/start-stand-in.js';
import { REQUEST_PATHS, type RequestPath } from '../../../../../src/protocol/request.js';
import { toWellFormedJson } from '../../../../../src/protocol/text.js';
import { asTheApiHasIt } from '../../../../support/api-body.js';
import { onCleanup } from '../../../../support/on-cleanup.js';

// Whatever a server answers, what is put together from its stream is what it says without one. The stand-in
// is kept true to the real servers, and those are compared in test/real.

type Body = Record<string, unknown>;

const MODELS: Readonly<Record<WireName, string>> = {
  ollama: 'llama3.2:latest',
  lmstudio: 'llama-3.2-3b-instruct',
  openai: 'Llama-3.2-3B-Instruct-Q4_K_M.gguf',
};
const FUNCTION = { type: 'function', function: { name: 'weather', parameters: {} } };
const MESSAGES = [{ role: 'user', content: '2+2' }];
const BODIES: Readonly<Record<string, Body>> = {
  '/v1/chat/completions': {
    messages: MESSAGES,
    tools: [FUNCTION],
    stream_options: { include_usage: true },
  },
  '/v1/completions': { prompt: '2+2', stream_options: { include_usage: true } },
  '/v1/responses': { input: '2+2', tools: [{ type: 'function', name: 'weather' }] },
  '/v1/messages': { messages: MESSAGES, max_tokens: 9, tools: [{ name: 'weather', input_schema: {} }] },
  '/api/chat': { messages: MESSAGES, tools: [FUNCTION] },
  '/api/generate': { prompt: '2+2' },
};
const SPOKEN = (['ollama', 'lmstudio', 'openai'] as const).flatMap((wire) =>
  REQUEST_PATHS.filter((path) => path in BODIES && (wire === 'ollama' || path.startsWith('/v1/'))).map(
    (path) => [wire, path] as const,
  ),
);

/** Half a character, a whole one that a cut may halve, and what JSON and SSE have a meaning for. */
const text = fc
  .array(
    fc.constantFrom(
      'a',
      'bc ',
      ' ',
      '\n',
      '\r\n',
      '"',
      '\\',
      '😀',
      '\ud800',
      '\udc00',
      'é',
      '\u2028',
      'data: [',
    ),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(''));

const behaviours: fc.Arbitrary<Behaviour> = fc.record({
  answer: text,
  thinking: text,
  pieceChars: fc.integer({ min: 1, max: 5 }),
  finishReason: fc.constantFrom('stop', 'length'),
  usage: fc.record({ promptTokens: fc.nat(), completionTokens: fc.nat() }),
  toolCalls: fc.array(
    fc.record({
      name: fc.constant('weather'),
      arguments: fc.dictionary(fc.constantFrom('city', 'unit'), text),
    }),
    { maxLength: 3 },
  ),
});

async function start(): Promise<StandIn> {
  const standIn = await startStandIn({ now: () => Date.UTC(2026, 10, 22) });
  onCleanup(() => standIn.close());
  return standIn;
}

async function ask(standIn: StandIn, wire: WireName, path: RequestPath, more: Body): Promise<Response> {
  const root = wire === 'openai' ? standIn.openaiUrl.replace(/\/v1$/, '') : standIn.ollamaUrl;
  const body = JSON.stringify({ model: MODELS[wire], ...BODIES[path], ...more });
  return await fetch(`${root}${path}`, { method: 'POST', body });
}

/** What the APIs themselves say in one of the two alone. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  const { completed_at: _lean, ...rest } = value as Body;
  if (Array.isArray(rest.tool_calls)) return asTheApiHasIt(rest);
  return Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, comparable(inner)]));
}

test.each(SPOKEN)('what %s streams on %s becomes what it says without a stream', async (wire, path) => {
  const standIn = await start();
  await fc.assert(
    fc.asyncProperty(
      behaviours,
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
      async (behaviour, n, isLikely) => {
        standIn.behave = () => behaviour;
        const likely = path === '/v1/completions' ? { logprobs: 2 } : { logprobs: true, top_logprobs: 2 };
        const more = { ...(path.startsWith('/v1/ch') ? { n } : {}), ...(isLikely ? likely : {}) };
        const whole = toWellFormedJson(
          await (await ask(standIn, wire, path, { ...more, stream: false })).json(),
        );
        const streamed = await (await ask(standIn, wire, path, { ...more, stream: true })).text();
        const assembler = openAssembler(path);
        const events = streamed
          .split(path.startsWith('/api/') ? '\n' : '\n\n')
          .filter((event) => event !== '');
        for (const [at, event] of events.entries()) {
          expect([at, assembler.isComplete()]).not.toEqual([0, true]);
          assembler.take(event);
        }
        expect(assembler.isComplete()).toBe(true);
        expect(comparable(assembler.body())).toEqual(comparable(whole));
        // What is read of the two is the same as well.
        const read = openAssembler(path);
        read.read(whole as Body);
        for (const name of ['isComplete', 'thinking', 'finishReason', 'usage', 'model'] as const) {
          expect([name, assembler[name]()]).toEqual([name, read[name]()]);
        }
        expect(assembler.text() ?? '').toBe(read.text() ?? '');
      },
    ),
    { numRuns: 12 },
  );
});
