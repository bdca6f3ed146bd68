import type { JsonObject } from '../../protocol/json-object.js';
import type { RequestPath } from '../../protocol/request.js';

/** A streamed answer that may have to be ended because its model does not end it. */
export class OpenAnswer {
  readonly #choices = new Set<number>();
  #first: JsonObject | null = null;
  #last: JsonObject = {};

  /** Takes the JSON of its next event. */
  take(event: JsonObject): void {
    this.#first ??= event;
    this.#last = event;
    const choices = Array.isArray(event.choices) ? (event.choices as (JsonObject | null)[]) : [];
    for (const choice of choices) {
      const index = typeof choice?.index === 'number' ? choice.index : 0;
      if (typeof choice?.finish_reason === 'string') this.#choices.delete(index);
      else this.#choices.add(index);
    }
  }

  /**
   * The events that end an answer of this path, which has said `text`, as if it had reached its token limit.
   * So readers of the stream, and of the body that it becomes, get a complete answer.
   */
  close(path: RequestPath, text: string): string[] {
    const state = { first: this.#first ?? {}, last: this.#last, text, choices: this.#choices };
    return CLOSERS[path]?.(state) ?? [];
  }
}

interface OpenState {
  /** The last event, and for `/v1/responses` the first, which has the response. */
  readonly first: JsonObject;
  readonly last: JsonObject;
  readonly text: string;
  /** The choices of OpenAI's streams that have begun and not ended, by index. */
  readonly choices: ReadonlySet<number>;
}

const CLOSERS: { readonly [Path in RequestPath]?: (state: OpenState) => string[] } = {
  '/v1/chat/completions': (state) => endsOfChoices(state, { delta: {} }),
  '/v1/completions': (state) => endsOfChoices(state, { text: '' }),
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
        ...(first.response as JsonObject | undefined),
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

/** A chunk for each choice that is still open. */
function endsOfChoices({ last, choices }: OpenState, nothing: JsonObject): string[] {
  const ends = [...choices].map((index) =>
    data({ ...headOf(last), choices: [{ index, ...nothing, finish_reason: 'length' }] }),
  );
  return [...ends, 'data: [DONE]'];
}

/** What each chunk of OpenAI's streams begins with. */
function headOf({ id, object, created, model }: JsonObject): JsonObject {
  return { id, object, created, model };
}

function data(value: JsonObject): string {
  return `data: ${JSON.stringify(value)}`;
}

function named(value: JsonObject & { readonly type: string }): string {
  return `event: ${value.type}\n${data(value)}`;
}
