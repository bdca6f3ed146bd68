import { isJsonObject, type JsonObject } from '../../protocol/json-object.js';
import type { RequestPath } from '../../protocol/request.js';

/** What an event of a call adds to the answer. */
export interface SaidInEvent {
  readonly content: string;
  readonly thinking: string;
  /** The bytes that it adds beside that text: tool calls, log probabilities, other choices. */
  readonly bytes: number;
}

const NOTHING: SaidInEvent = { content: '', thinking: '', bytes: 0 };

/** The text that an event brings, of the first choice where there are several. `value`: its JSON. */
export function saidInEvent(path: RequestPath, value: unknown): SaidInEvent {
  if (!isJsonObject(value)) return NOTHING;
  return READERS[path](value);
}

const READERS: Readonly<Record<RequestPath, (event: JsonObject) => SaidInEvent>> = {
  '/v1/chat/completions': ({ choices }) =>
    ofChoices(choices, ({ delta }) => {
      const { content, reasoning_content, reasoning, tool_calls } = fields(delta);
      return said(content, reasoning_content ?? reasoning, tool_calls);
    }),
  '/v1/completions': ({ choices }) => ofChoices(choices, ({ text }) => said(text)),
  '/v1/responses': ({ type, delta }) => {
    if (type === 'response.output_text.delta') return said(delta);
    if (type === 'response.reasoning_text.delta' || type === 'response.reasoning_summary_text.delta') {
      return said('', delta);
    }
    return said('', '', delta);
  },
  '/v1/messages': ({ delta }) => {
    const { text, thinking, partial_json } = fields(delta);
    return said(text, thinking, partial_json);
  },
  '/api/chat': ({ message, logprobs }) => {
    const { content, thinking, tool_calls } = fields(message);
    return said(content, thinking, tool_calls, logprobs);
  },
  '/api/generate': ({ response, thinking, logprobs }) => said(response, thinking, logprobs),
  '/v1/embeddings': () => NOTHING,
  '/api/embed': () => NOTHING,
  '/api/embeddings': () => NOTHING,
};

function ofChoices(choices: unknown, read: (choice: JsonObject) => SaidInEvent): SaidInEvent {
  if (!Array.isArray(choices)) return NOTHING;
  let all = NOTHING;
  for (const choice of choices.map(fields)) {
    const one = read(choice);
    const bytes = all.bytes + one.bytes + bytesOf(choice.logprobs);
    if (choice.index === 0 || choice.index === undefined) all = { ...one, bytes };
    else all = { ...all, bytes: bytes + Buffer.byteLength(one.content + one.thinking) };
  }
  return all;
}

function said(content: unknown, thinking: unknown = '', ...rest: readonly unknown[]): SaidInEvent {
  return {
    content: typeof content === 'string' ? content : '',
    thinking: typeof thinking === 'string' ? thinking : '',
    bytes: rest.reduce((sum: number, one) => sum + bytesOf(one), 0),
  };
}

function bytesOf(value: unknown): number {
  if (value === undefined || value === null) return 0;
  return Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value));
}

function fields(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
