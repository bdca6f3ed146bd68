import type { Usage } from '../../../protocol/answer.js';
import { toWellFormed, toWellFormedJson } from '../../../protocol/text.js';
import type { Assembler } from './assembler.js';
import { cleanJson, isJson, type Json, jsonOf, listOf, placeOf, textOf } from './clean-json.js';
import { readEvent } from './read-event.js';
import { tokensOf, wordOf } from './said-at-end.js';

/** How many blocks a message may have. */
const MAX_BLOCKS = 1024;

interface Block {
  readonly said: Record<string, unknown>;
  /** The JSON of its input, as far as it was heard; null: none came. */
  input: string | null;
}

/**
 * `/v1/messages`: the blocks by their index, the rest from `message_start` and `message_delta`. A later
 * usage replaces the counts that it names.
 */
export class MessageAssembler implements Assembler {
  readonly #message: Record<string, unknown> = {};
  readonly #usage: Record<string, unknown> = {};
  readonly #blocks = new Map<number, Block>();
  #isStopped = false;
  #whole: Json | null = null;

  take(event: string): void {
    const read = readEvent(event);
    if (read === null) return;
    const { name, value } = read;
    switch (textOf(value.type) ?? name) {
      case 'message_start':
        this.#takeMessage(jsonOf(value.message));
        break;
      case 'content_block_start':
        this.#start(value.index, jsonOf(value.content_block));
        break;
      case 'content_block_delta':
        this.#takeDelta(value.index, jsonOf(value.delta));
        break;
      case 'message_delta':
        this.#takeMessage({ ...jsonOf(value.delta), usage: value.usage });
        break;
      case 'message_stop':
        this.#isStopped = true;
        break;
    }
  }

  #takeMessage({ content: _blocks, usage, ...rest }: Json): void {
    Object.assign(this.#message, rest);
    for (const [key, count] of Object.entries(jsonOf(usage))) if (count !== null) this.#usage[key] = count;
  }

  #start(index: unknown, { input, ...said }: Json): void {
    const place = placeOf(index, MAX_BLOCKS);
    if (place === null || this.#blocks.has(place)) return;
    const isCall = input !== undefined || said.type === 'tool_use';
    this.#blocks.set(place, { said: { ...said, ...(isCall ? { input: input ?? {} } : {}) }, input: null });
  }

  #takeDelta(index: unknown, delta: Json): void {
    const place = placeOf(index, MAX_BLOCKS);
    const of = DELTAS.get(delta.type);
    if (place === null || of === undefined) return;
    // Where a server did not say that a block begins, the delta tells what kind it is.
    if (!this.#blocks.has(place)) this.#start(place, { type: of.block });
    const block = this.#blocks.get(place);
    const said = delta[of.from];
    if (block === undefined) return;
    if (of.from === 'citation') {
      if (isJson(said)) this.#cite(block, said);
    } else if (typeof said !== 'string') {
      return;
    } else if (of.from === 'partial_json') {
      block.input = (block.input ?? '') + said;
    } else if (block.said.type === of.block) {
      block.said[of.from] = (textOf(block.said[of.from]) ?? '') + said;
    }
  }

  #cite({ said }: Block, citation: Json): void {
    if (Array.isArray(said.citations)) said.citations.push(citation);
    else said.citations = [citation];
  }

  read(body: Json): void {
    this.#whole = jsonOf(cleanJson(body));
  }

  isComplete(): boolean {
    return this.#whole === null ? this.#isStopped : Array.isArray(this.#whole.content);
  }

  body(): Record<string, unknown> {
    return toWellFormedJson({ ...this.#content() });
  }

  #content(): Json {
    if (this.#whole !== null) return this.#whole;
    const content = [...this.#blocks].sort(([a], [b]) => a - b).map(([, block]) => wholeOf(block));
    const usage = Object.keys(this.#usage).length === 0 ? {} : { usage: this.#usage };
    return { type: 'message', role: 'assistant', ...this.#message, content, ...usage };
  }

  text(): string | null {
    return this.#textIn('text');
  }

  thinking(): string | null {
    return this.#textIn('thinking');
  }

  #textIn(kind: 'text' | 'thinking'): string | null {
    const blocks =
      this.#whole === null
        ? [...this.#blocks].sort(([a], [b]) => a - b).map(([, { said }]) => said)
        : listOf(this.#whole.content);
    const texts = blocks.flatMap((block) => (block.type === kind ? (textOf(block[kind]) ?? '') : []));
    return texts.length === 0 ? null : toWellFormed(texts.join(''));
  }

  finishReason(): string | undefined {
    const reason = wordOf((this.#whole ?? this.#message).stop_reason);
    return reason === undefined ? undefined : (REASONS.get(reason) ?? reason);
  }

  usage(): Usage | undefined {
    return tokensOf(this.#whole === null ? this.#usage : this.#whole.usage, 'input_tokens', 'output_tokens');
  }

  model(): string | undefined {
    return textOf((this.#whole ?? this.#message).model);
  }
}

/** Which kind of block a delta is for, and which field has what it adds. */
const DELTAS: ReadonlyMap<unknown, { readonly block: string; readonly from: string }> = new Map([
  ['text_delta', { block: 'text', from: 'text' }],
  ['thinking_delta', { block: 'thinking', from: 'thinking' }],
  ['signature_delta', { block: 'thinking', from: 'signature' }],
  ['input_json_delta', { block: 'tool_use', from: 'partial_json' }],
  ['citations_delta', { block: 'text', from: 'citation' }],
]);

/** Anthropic's words, in OpenAI's. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
]);

/** A block as it is without a stream. Input that broke off is no JSON, and becomes an empty object. */
function wholeOf({ said, input }: Block): Json {
  if (input === null || input === '') return said;
  try {
    const value: unknown = cleanJson(JSON.parse(input));
    return { ...said, input: isJson(value) ? value : {} };
  } catch {
    return { ...said, input: {} };
  }
}
