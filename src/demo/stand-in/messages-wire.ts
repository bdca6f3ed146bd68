import * as z from 'zod';
import { contentSchema, readMessages, textIn } from './read-prompts.js';
import type { WireName } from './stand-in-request.js';
import {
  type AnyPiece,
  callsOf,
  event,
  NO_CONTEXT_WORDS,
  ONE_ANSWER,
  type Plain,
  plainJson,
  type SpokenPath,
  type ToolPiece,
  type Turn,
  textOf,
} from './wire.js';

const bodySchema = z.object({
  model: z.string(),
  max_tokens: z.int().min(1),
  messages: z.array(z.object({ role: z.string(), content: contentSchema })).min(1),
  system: contentSchema.nullish(),
  stream: z.boolean().nullish(),
  tools: z.array(z.object({ name: z.string() })).nullish(),
});

/** How the servers differ that speak Anthropic's API. */
export interface MessagesDialect {
  readonly wire: WireName;
  /** Whether a stream counts the prompt at its end; else only at its beginning. */
  readonly countsAtEnd: boolean;
  /** Fields of every answer that has no other value for them. */
  readonly always: Readonly<Record<string, unknown>>;
  /** Whether thinking is signed, with an empty signature as local servers do. */
  readonly signs: boolean;
  /** What a call begins with in a stream, beside its name. */
  readonly emptyInput: Readonly<Record<string, unknown>>;
  readonly cutsCalls: boolean;
  readonly badForm: Plain;
  readonly error: (message?: string) => string;
}

/** `/v1/messages` as the server of a dialect speaks it. */
export function messages(dialect: MessagesDialect): SpokenPath {
  const head = (turn: Turn) => ({
    id: 'msg_stand_in',
    type: 'message',
    role: 'assistant',
    model: turn.model,
  });
  return {
    streamType: 'text/event-stream',
    read(body) {
      const read = bodySchema.safeParse(body);
      if (!read.success) return dialect.badForm;
      const { model, system, stream, tools } = read.data;
      const said = readMessages(read.data.messages);
      return {
        wire: dialect.wire,
        path: '/v1/messages',
        model,
        ...said,
        conversation: [textIn(system), said.conversation].filter((text) => text !== '').join('\n'),
        stream: stream ?? false,
        format: undefined,
        ...NO_CONTEXT_WORDS,
        tools: (tools ?? []).map(({ name }) => name),
        ...ONE_ANSWER,
      };
    },
    whole: (pieces, turn) =>
      plainJson(200, {
        ...head(turn),
        content: contentOf(dialect, pieces),
        ...dialect.always,
        stop_reason: stopOf(turn),
        usage: { input_tokens: turn.promptTokens, output_tokens: turn.completionTokens },
      }),
    stream: (turn) => new MessageStream(dialect, turn, head(turn)),
    error: dialect.error,
    malformed: 'event: content_block_delta\ndata: {"type":"content_blo\n\n',
    alien: event({ weather: 'fine' }),
  };
}

function contentOf(dialect: MessagesDialect, pieces: readonly AnyPiece[]): object[] {
  const thinking = textOf(pieces, 'thinking');
  const text = textOf(pieces, 'answer');
  return [
    ...(thinking === '' ? [] : [{ type: 'thinking', thinking, ...(dialect.signs ? { signature: '' } : {}) }]),
    ...(text === '' ? [] : [{ type: 'text', text }]),
    ...callsOf(pieces).map(({ id, name, whole }) => ({ type: 'tool_use', id, name, input: parsed(whole) })),
  ];
}

/** The servers send an empty input where the arguments are no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** How an answer ended, in the words of the API. */
function stopOf({ callsTools, finishReason }: Turn): string {
  if (callsTools && finishReason === 'stop') return 'tool_use';
  if (finishReason === 'length') return 'max_tokens';
  return finishReason === 'stop' ? 'end_turn' : finishReason;
}

/** The events of a message: one block is open at a time. */
class MessageStream {
  readonly #dialect: MessagesDialect;
  readonly #turn: Turn;
  readonly #head: object;
  /** The kind of the open block; null before the first. */
  #open: string | null = null;
  #index = -1;

  constructor(dialect: MessagesDialect, turn: Turn, head: object) {
    this.#dialect = dialect;
    this.#turn = turn;
    this.#head = head;
  }

  begin(): string {
    const { always, countsAtEnd } = this.#dialect;
    const counted = countsAtEnd ? 1 : this.#turn.promptTokens;
    const none = 'stop_sequence' in always ? { stop_reason: null } : {};
    const usage = { input_tokens: counted, output_tokens: 0 };
    const message = { ...this.#head, content: [], ...none, ...always, usage };
    return said('message_start', { message });
  }

  piece(piece: AnyPiece): string {
    if (piece.kind === 'tool') return this.#call(piece);
    if (piece.kind === 'thinking') {
      const start = this.#start('thinking', { type: 'thinking', thinking: '' });
      return start + this.#delta({ type: 'thinking_delta', thinking: piece.text });
    }
    const start = this.#start('text', { type: 'text', text: '' });
    return start + this.#delta({ type: 'text_delta', text: piece.text });
  }

  #call({ index, id, name, text, whole, isFirst }: ToolPiece): string {
    const { emptyInput, cutsCalls } = this.#dialect;
    const start = this.#start(`tool ${index}`, { type: 'tool_use', id, name, ...emptyInput });
    if (!cutsCalls && !isFirst) return start;
    return start + this.#delta({ type: 'input_json_delta', partial_json: cutsCalls ? text : whole });
  }

  end(): string {
    const { always, countsAtEnd } = this.#dialect;
    const { promptTokens, completionTokens } = this.#turn;
    const counted = countsAtEnd ? { input_tokens: promptTokens } : {};
    return [
      this.#stop(),
      said('message_delta', {
        delta: { stop_reason: stopOf(this.#turn), ...always },
        usage: { ...counted, output_tokens: completionTokens },
      }),
      said('message_stop', {}),
    ].join('');
  }

  /** Opens the block of a piece, unless it is open. */
  #start(kind: string, block: object): string {
    if (this.#open === kind) return '';
    const stopped = this.#stop();
    this.#open = kind;
    this.#index++;
    return stopped + said('content_block_start', { index: this.#index, content_block: block });
  }

  #delta(delta: object): string {
    return said('content_block_delta', { index: this.#index, delta });
  }

  #stop(): string {
    if (this.#open === null) return '';
    const signs = this.#open === 'thinking' && this.#dialect.signs;
    const signature = signs ? this.#delta({ type: 'signature_delta', signature: '' }) : '';
    return signature + said('content_block_stop', { index: this.#index });
  }
}

function said(type: string, value: object): string {
  return event({ type, ...value }, type);
}
