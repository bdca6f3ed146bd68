import type { JsonObject } from '../protocol/json-object.js';
import type { RequestPath } from '../protocol/request.js';

/**
 * The shortest stream that says a whole answer, for a client that wants a stream where there is none any
 * more: raw events, as a model server sends them. `body` is the answer as if it had not been streamed. Empty
 * for a path that is never streamed.
 */
export function madeEvents(path: RequestPath, body: JsonObject): string[] {
  return MAKERS[path]?.(body) ?? [];
}

const MAKERS: { readonly [Path in RequestPath]?: (body: JsonObject) => string[] } = {
  '/v1/chat/completions': (body) => chunksOf(body, 'chat.completion.chunk', chatChoice),
  '/v1/completions': (body) => chunksOf(body, 'text_completion', (choice) => choice),
  '/v1/responses': responseEvents,
  '/v1/messages': messageEvents,
  // The body is a last line that has all of the text in it.
  '/api/chat': (body) => [JSON.stringify(body)],
  '/api/generate': (body) => [JSON.stringify(body)],
};

function chunksOf(body: JsonObject, object: string, choiceOf: (choice: JsonObject) => JsonObject): string[] {
  const { choices, usage, ...head } = body;
  const chunk = { ...head, object, choices: objectsIn(choices).map(choiceOf) };
  const counted = usage === undefined ? [] : [dataOf({ ...head, object, choices: [], usage })];
  return [dataOf(chunk), ...counted, 'data: [DONE]'];
}

/** A choice as a chunk has it. Clients put the parts of tool calls together by their index. */
function chatChoice({ message, ...choice }: JsonObject): JsonObject {
  const { tool_calls, ...said } = fieldsOf(message);
  const calls = objectsIn(tool_calls).map((call, index) => ({ index, ...call }));
  return { ...choice, delta: { ...said, ...(calls.length === 0 ? {} : { tool_calls: calls }) } };
}

function messageEvents(body: JsonObject): string[] {
  const { content, stop_reason, stop_sequence, usage } = body;
  const { output_tokens = 0, ...input } = fieldsOf(usage);
  const start = { ...body, content: [], stop_reason: null, stop_sequence: null };
  const message = { ...start, usage: { ...input, output_tokens: 0 } };
  return [
    named({ type: 'message_start', message }),
    ...objectsIn(content).flatMap(blockEvents),
    named({
      type: 'message_delta',
      delta: { stop_reason, stop_sequence: stop_sequence ?? null },
      usage: { output_tokens },
    }),
    named({ type: 'message_stop' }),
  ];
}

function blockEvents(block: JsonObject, index: number): string[] {
  const { empty, deltas } = partsOf(block);
  return [
    named({ type: 'content_block_start', index, content_block: empty }),
    ...deltas.map((delta) => named({ type: 'content_block_delta', index, delta })),
    named({ type: 'content_block_stop', index }),
  ];
}

/** A block as it begins, and what is added to it. */
function partsOf(block: JsonObject): { readonly empty: JsonObject; readonly deltas: readonly JsonObject[] } {
  const { type, text, input, thinking, signature } = block;
  if (type === 'text') return { empty: { ...block, text: '' }, deltas: [{ type: 'text_delta', text }] };
  if (type === 'tool_use') {
    const partial_json = JSON.stringify(input ?? {});
    return { empty: { ...block, input: {} }, deltas: [{ type: 'input_json_delta', partial_json }] };
  }
  if (type !== 'thinking') return { empty: block, deltas: [] };
  const signed = typeof signature === 'string' ? [{ type: 'signature_delta', signature }] : [];
  return {
    empty: { ...block, thinking: '', signature: '' },
    deltas: [{ type: 'thinking_delta', thinking }, ...signed],
  };
}

function responseEvents(response: JsonObject): string[] {
  const begun = { ...response, status: 'in_progress', output: [], usage: null };
  const status = response.status === 'incomplete' ? 'incomplete' : 'completed';
  const events: (JsonObject & { readonly type: string })[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...objectsIn(response.output).flatMap(itemEvents),
    { type: `response.${status}`, response },
  ];
  return events.map((event, sequence_number) => named({ ...event, sequence_number }));
}

function itemEvents(item: JsonObject, output_index: number): (JsonObject & { readonly type: string })[] {
  const at = { item_id: item.id, output_index };
  const begun = { ...item, status: 'in_progress' };
  const added = { type: 'response.output_item.added', output_index };
  const done = { type: 'response.output_item.done', output_index, item };
  if (item.type === 'function_call') {
    return [
      { ...added, item: { ...begun, arguments: '' } },
      { type: 'response.function_call_arguments.delta', ...at, delta: item.arguments },
      {
        ...{ type: 'response.function_call_arguments.done', ...at },
        ...{ name: item.name, arguments: item.arguments },
      },
      done,
    ];
  }
  if (item.type !== 'message') return [{ ...added, item }, done];
  const parts = objectsIn(item.content).flatMap((part, content_index) =>
    partEvents(part, { ...at, content_index }),
  );
  return [{ ...added, item: { ...begun, content: [] } }, ...parts, done];
}

function partEvents(part: JsonObject, at: JsonObject): (JsonObject & { readonly type: string })[] {
  const [word, field] = part.type === 'refusal' ? ['refusal', 'refusal'] : ['output_text', 'text'];
  const said = part[field];
  return [
    { type: 'response.content_part.added', ...at, part: { ...part, [field]: '' } },
    { type: `response.${word}.delta`, ...at, delta: said, ...(field === 'text' ? { logprobs: [] } : {}) },
    { type: `response.${word}.done`, ...at, [field]: said, ...(field === 'text' ? { logprobs: [] } : {}) },
    { type: 'response.content_part.done', ...at, part },
  ];
}

function dataOf(value: JsonObject): string {
  return `data: ${JSON.stringify(value)}`;
}

/** An event with its name in a line of its own, as the APIs that name them send it. */
function named(value: JsonObject & { readonly type: string }): string {
  return `event: ${value.type}\n${dataOf(value)}`;
}

function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function fieldsOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
