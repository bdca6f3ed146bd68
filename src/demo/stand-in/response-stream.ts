import type { ResponsesDialect } from './responses-dialect.js';
import { type AnyPiece, event, type ToolPiece, type Turn, textOf } from './wire.js';

/** An item of the output that is being sent: a message, reasoning or a call. */
interface Item {
  readonly kind: AnyPiece['kind'];
  readonly id: string;
  readonly call?: ToolPiece;
}

/** The events of a response: one item of the output is open at a time. */
export class ResponseStream {
  readonly #dialect: ResponsesDialect;
  readonly #turn: Turn;
  readonly #pieces: AnyPiece[] = [];
  readonly #output: object[] = [];
  #open: Item | null = null;
  #number = 0;

  constructor(dialect: ResponsesDialect, turn: Turn) {
    this.#dialect = dialect;
    this.#turn = turn;
  }

  begin(): string {
    const response = this.#dialect.isLean
      ? { id: RESPONSE_ID, object: 'response', status: 'in_progress' }
      : this.#response('in_progress', [], null);
    return this.#say('response.created', { response }) + this.#say('response.in_progress', { response });
  }

  piece(piece: AnyPiece): string {
    const id = piece.kind === 'tool' ? `fc_${piece.id}` : `${PREFIX[piece.kind]}_stand_in`;
    let said = '';
    if (this.#open?.id !== id) {
      said += this.#close();
      this.#open = { kind: piece.kind, id, ...(piece.kind === 'tool' ? { call: piece } : {}) };
      said += this.#say('response.output_item.added', {
        ...this.#place(),
        item: itemOf(this.#open, '', 'in_progress', this.#dialect),
      });
      if (piece.kind === 'answer') {
        const part = { type: 'output_text', text: '', annotations: [], logprobs: [] };
        said += this.#say('response.content_part.added', { item_id: id, ...this.#places(), part });
      }
    }
    this.#pieces.push(piece);
    const isWhole = piece.kind === 'tool' && !this.#dialect.cutsCalls;
    if (isWhole && !piece.isFirst) return said;
    const delta = isWhole ? piece.whole : piece.text;
    return said + this.#say(this.#deltaType(piece), { item_id: id, ...this.#places(), delta });
  }

  #deltaType(piece: AnyPiece): string {
    if (piece.kind === 'answer') return 'response.output_text.delta';
    if (piece.kind === 'tool') return 'response.function_call_arguments.delta';
    return this.#dialect.reasoning === 'content'
      ? 'response.reasoning_text.delta'
      : 'response.reasoning_summary_text.delta';
  }

  end(): string {
    const closed = this.#close();
    const response = this.finished();
    return closed + this.#say(`response.${response.status}`, { response });
  }

  /** The whole response, after all pieces. */
  finished(): Record<string, unknown> {
    this.#close();
    const wasCut = this.#turn.finishReason === 'length' && this.#dialect.tellsCuts;
    return this.#response(wasCut ? 'incomplete' : 'completed', this.#output, this.#usage());
  }

  /** Says that the open item is done. */
  #close(): string {
    const open = this.#open;
    if (open === null) return '';
    const text = open.call === undefined ? textOf(this.#pieces, open.kind) : open.call.whole;
    const item = itemOf(open, text, 'completed', this.#dialect);
    const place = { item_id: open.id, ...this.#places() };
    const said: string[] = [];
    if (open.kind === 'answer') {
      const part = { type: 'output_text', annotations: [], logprobs: [], text };
      said.push(this.#say('response.output_text.done', { ...place, text }));
      said.push(this.#say('response.content_part.done', { ...place, part }));
    }
    if (open.kind === 'thinking' && this.#dialect.reasoning === 'summary') {
      said.push(this.#say('response.reasoning_summary_text.done', { ...place, text }));
    }
    if (open.kind === 'tool' && !this.#dialect.isLean) {
      said.push(this.#say('response.function_call_arguments.done', { ...place, arguments: text }));
    }
    said.push(this.#say('response.output_item.done', { ...this.#place(), item }));
    this.#output.push(item);
    this.#open = null;
    return said.join('');
  }

  #response(status: string, output: readonly object[], usage: object | null): Record<string, unknown> {
    const head = {
      id: RESPONSE_ID,
      object: 'response',
      created_at: Math.floor(this.#turn.startedAtMs / 1000),
      status,
      model: this.#turn.model,
      output,
      usage,
    };
    if (this.#dialect.isLean) return head;
    const incomplete_details = status === 'incomplete' ? { reason: 'max_output_tokens' } : null;
    const completed_at = status === 'completed' ? head.created_at : null;
    return { ...head, ...OF_THE_REQUEST, completed_at, incomplete_details };
  }

  #usage(): object {
    const { promptTokens, completionTokens } = this.#turn;
    return {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: completionTokens,
      ...(this.#dialect.isLean ? {} : { output_tokens_details: { reasoning_tokens: 0 } }),
      total_tokens: promptTokens + completionTokens,
    };
  }

  #place(): object {
    return this.#dialect.isLean ? {} : { output_index: this.#output.length };
  }

  #places(): object {
    if (this.#dialect.isLean) return {};
    const kind = this.#open?.kind;
    if (kind === 'tool') return this.#place();
    const isSummary = kind === 'thinking' && this.#dialect.reasoning === 'summary';
    return { ...this.#place(), ...(isSummary ? { summary_index: 0 } : { content_index: 0 }) };
  }

  #say(type: string, value: object): string {
    const number = this.#dialect.isLean ? {} : { sequence_number: this.#number++ };
    return event({ type, ...number, ...value }, type);
  }
}

const RESPONSE_ID = 'resp_stand_in';
const PREFIX = { answer: 'msg', thinking: 'rs' } as const;

/** What a response repeats of a request that set none of these fields. */
const OF_THE_REQUEST = {
  background: false,
  error: null,
  instructions: null,
  max_output_tokens: null,
  metadata: {},
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: null,
  service_tier: 'default',
  store: false,
  temperature: 1,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_p: 1,
  truncation: 'disabled',
};

function itemOf(
  { kind, id, call }: Item,
  text: string,
  status: string,
  { reasoning, isLean }: ResponsesDialect,
): object {
  if (kind === 'tool') {
    return { id, type: 'function_call', status, arguments: text, call_id: call?.id, name: call?.name };
  }
  if (kind === 'thinking') {
    if (reasoning === 'summary') {
      const summary = text === '' ? [] : [{ type: 'summary_text', text }];
      return { id, type: 'reasoning', summary, ...(text === '' ? {} : { encrypted_content: text }) };
    }
    const content = text === '' ? [] : [{ type: 'reasoning_text', text }];
    const stage = isLean && status === 'completed' ? {} : { status };
    return { id, type: 'reasoning', summary: [], content, encrypted_content: '', ...stage };
  }
  const content = text === '' ? [] : [{ type: 'output_text', annotations: [], logprobs: [], text }];
  return { id, type: 'message', status, content, role: 'assistant' };
}
