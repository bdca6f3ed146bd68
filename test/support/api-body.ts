import type { Assembler } from '../../src/agent/requests/assemble/assembler.js';

/** What a model server counts or makes up anew for each answer. */
const ITS_OWN =
  /^(?:id|call_id|created|created_at|completed_at|timings|[a-z_]+_duration|logprob|cached_tokens)$/;

/**
 * The body of an API as far as two answers to the same call have to agree: without ids, times, durations and
 * the numbers of log probabilities, which depend on what the server still had in memory.
 */
export function comparableBody(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparableBody);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(asTheApiHasIt(value))
      .filter(([key]) => !ITS_OWN.test(key))
      .map(([key, inner]) => [key, comparableBody(inner)]),
  );
}

/**
 * A message with calls of tools as the API has it: Ollama numbers them without a stream as well, and
 * OpenAI's content is null where these servers say an empty one.
 */
export function asTheApiHasIt(message: object): object {
  const { tool_calls: calls, content } = message as Readonly<Record<string, unknown>>;
  if (!Array.isArray(calls)) return message;
  const plain = calls.map(({ index: _place, ...call }) => call);
  return { ...message, content: content === '' ? null : content, tool_calls: plain };
}

/** What an assembler says of an answer. An empty text is none, as in the record. */
export function saidOf(assembler: Assembler): Readonly<Record<string, unknown>> {
  return {
    isComplete: assembler.isComplete(),
    text: assembler.text() || null,
    thinking: assembler.thinking(),
    finishReason: assembler.finishReason(),
    usage: assembler.usage(),
    model: assembler.model(),
  };
}

/** The events of a stream: blocks of SSE, or lines of JSON. */
export function eventsIn(stream: string): string[] {
  const isSse = /^(?:data|event|:)/m.test(stream);
  return stream.split(isSse ? /\r?\n\r?\n/ : '\n').filter((event) => event.trim() !== '');
}
