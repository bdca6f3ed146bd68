import type { RequestPath } from '../../protocol/request.js';

/** An answer that is ended before its model ended it. */
export interface OpenAnswer {
  /** The JSON of its last event, and for `/v1/responses` of its first, which has the response. */
  readonly first: Fields;
  readonly last: Fields;
  /** What it has said. */
  readonly text: string;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The events that end an answer of this path as one that came to its token limit, so that readers of the
 * stream, and of the body that it becomes, have a whole one: an answer that would have gone on for ever.
 */
export function closingEvents(path: RequestPath, answer: OpenAnswer): string[] {
  const close = CLOSERS[path];
  return close === undefined ? [] : close(answer);
}

const CLOSERS: { readonly [Path in RequestPath]?: (answer: OpenAnswer) => string[] } = {
  '/v1/chat/completions': ({ last }) => [
    data({ ...headOf(last), choices: [{ index: 0, delta: {}, finish_reason: 'length' }] }),
    'data: [DONE]',
  ],
  '/v1/completions': ({ last }) => [
    data({ ...headOf(last), choices: [{ index: 0, text: '', finish_reason: 'length' }] }),
    'data: [DONE]',
  ],
  '/v1/messages': ({ last }) => [
    named({ type: 'content_block_stop', index: last.index ?? 0 }),
    named({
      type: 'message_delta',
      delta: { stop_reason: 'max_tokens', stop_sequence: null },
      usage: { output_tokens: 0 },
    }),
    named({ type: 'message_stop' }),
  ],
  '/v1/responses': ({ first, last, text }) => [
    named({
      type: 'response.incomplete',
      ...(typeof last.sequence_number === 'number' ? { sequence_number: last.sequence_number + 1 } : {}),
      response: {
        ...(first.response as Fields | undefined),
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
        output: [
          {
            ...{ type: 'message', id: last.item_id ?? 'msg_0', status: 'incomplete', role: 'assistant' },
            content: [{ type: 'output_text', text, annotations: [] }],
          },
        ],
      },
    }),
  ],
  '/api/chat': ({ last }) => [
    JSON.stringify({ ...last, message: { role: 'assistant', content: '' }, ...FULL }),
  ],
  '/api/generate': ({ last }) => [JSON.stringify({ ...last, thinking: undefined, response: '', ...FULL })],
};

const FULL = { done: true, done_reason: 'length' };

/** What each chunk of OpenAI's streams begins with. */
function headOf({ id, object, created, model }: Fields): Fields {
  return { id, object, created, model };
}

function data(value: Fields): string {
  return `data: ${JSON.stringify(value)}`;
}

function named(value: Fields & { readonly type: string }): string {
  return `event: ${value.type}\n${data(value)}`;
}
