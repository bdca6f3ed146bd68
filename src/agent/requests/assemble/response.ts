import type { Usage } from '../../../protocol/answer.js';
import { toWellFormed, toWellFormedJson } from '../../../protocol/text.js';
import type { Assembler } from './assembler.js';
import { cleanJson, isJson, type Json, jsonOf, listOf, placeOf, textOf } from './clean-json.js';
import { readEvent } from './read-event.js';
import { DELTAS } from './response-deltas.js';
import { tokensOf, wordOf } from './said-at-end.js';

/** How many items and parts an output may have. */
const MAX_ITEMS = 1024;

/** The events that end a stream; each has the whole response. */
const LAST = new Set(['response.completed', 'response.incomplete', 'response.failed']);

/** An item of the output that is not complete yet. */
interface Item {
  said: Record<string, unknown>;
  /** Its parts by the list they are in and their index. */
  readonly parts: Map<'content' | 'summary', Map<number, Record<string, unknown>>>;
}

/**
 * `/v1/responses`: the last event has the whole response. Where a stream breaks off before it, what was
 * heard becomes the output of the response that the first events had.
 */
export class ResponseAssembler implements Assembler {
  #head: Json = {};
  #last: Json | null = null;
  readonly #items = new Map<string, Item>();

  take(event: string): void {
    const read = readEvent(event);
    if (read === null || this.#last !== null) return;
    const { name, value } = read;
    const type = textOf(value.type) ?? name;
    if (LAST.has(type) && isJson(value.response)) {
      this.#last = this.#ended(value.response);
      this.#items.clear();
    } else if (isJson(value.response)) {
      this.#head = { ...this.#head, ...value.response };
    } else if (type === 'response.output_item.added' || type === 'response.output_item.done') {
      this.#takeItem(value);
    } else {
      this.#takeDelta(type, value);
    }
  }

  /** The last response. Where it leaves out its output, what was heard takes its place. */
  #ended(response: Json): Json {
    const heard = this.#output();
    const isEmpty = listOf(response.output).length === 0;
    return isEmpty && heard.length > 0 ? { ...response, output: heard } : response;
  }

  #takeItem({ output_index, item }: Json): void {
    if (!isJson(item)) return;
    const place = keyOf(output_index, item.id);
    if (place === null || (!this.#items.has(place) && this.#items.size >= MAX_ITEMS)) return;
    const known = this.#items.get(place);
    // An item that is done has all its parts itself.
    const parts: Item['parts'] = item.status === 'in_progress' && known ? known.parts : new Map();
    this.#items.set(place, { said: { ...known?.said, ...item }, parts });
  }

  #takeDelta(type: string, value: Json): void {
    const of = DELTAS.get(type);
    const place = keyOf(value.output_index, value.item_id);
    if (of === undefined || place === null || typeof value.delta !== 'string') return;
    const item = this.#itemAt(place, of.item, value.item_id);
    if (item === null) return;
    if (of.list === null) {
      item.said[of.field] = (textOf(item.said[of.field]) ?? '') + value.delta;
      return;
    }
    const at = of.list === 'content' ? value.content_index : value.summary_index;
    const index = at === undefined ? 0 : placeOf(at, MAX_ITEMS);
    if (index === null) return;
    const parts = item.parts.get(of.list) ?? new Map<number, Record<string, unknown>>();
    item.parts.set(of.list, parts);
    const part = parts.get(index) ?? {
      type: of.part,
      ...(of.part === 'output_text' ? { annotations: [] } : {}),
    };
    parts.set(index, part);
    part[of.field] = (textOf(part[of.field]) ?? '') + value.delta;
  }

  /** The item of a delta. One that was not announced is made of what the delta says. */
  #itemAt(place: string, type: string, id: unknown): Item | null {
    const known = this.#items.get(place);
    if (known !== undefined) return known;
    if (this.#items.size >= MAX_ITEMS) return null;
    const role = type === 'message' ? { role: 'assistant' } : {};
    const said = { ...(typeof id === 'string' ? { id } : {}), type, ...role, status: 'in_progress' };
    const item: Item = { said, parts: new Map() };
    this.#items.set(place, item);
    return item;
  }

  /** What was heard of the output, in the order in which it began. */
  #output(): Json[] {
    return [...this.#items.values()].map(({ said, parts }) => {
      const lists = [...parts].map(([list, byIndex]) => {
        const whole = [...byIndex].sort(([a], [b]) => a - b).map(([, part]) => part);
        return [list, whole] as const;
      });
      return { ...said, ...Object.fromEntries(lists) };
    });
  }

  read(body: Json): void {
    this.#last = jsonOf(cleanJson(body));
  }

  isComplete(): boolean {
    return this.#last !== null && Array.isArray(this.#last.output);
  }

  body(): Record<string, unknown> {
    return toWellFormedJson({ ...this.#response() });
  }

  #response(): Json {
    if (this.#last !== null) return this.#last;
    return { object: 'response', ...this.#head, status: 'incomplete', output: this.#output() };
  }

  text(): string | null {
    const messages = listOf(this.#response().output).filter(({ type }) => type === 'message');
    const parts = messages.flatMap(({ content }) => listOf(content));
    const texts = parts.flatMap(({ type, text }) => (type === 'output_text' ? (textOf(text) ?? '') : []));
    return texts.length === 0 ? null : toWellFormed(texts.join(''));
  }

  thinking(): string | null {
    const items = listOf(this.#response().output).filter(({ type }) => type === 'reasoning');
    const parts = items.flatMap(({ content, summary }) => {
      const said = listOf(content);
      return said.length > 0 ? said : listOf(summary);
    });
    const texts = parts.flatMap(({ text }) => textOf(text) ?? []);
    return texts.length === 0 ? null : toWellFormed(texts.join('\n'));
  }

  finishReason(): string | undefined {
    if (this.#last === null) return undefined;
    const { status, incomplete_details, output } = this.#last;
    if (status === 'incomplete') {
      const reason = wordOf(jsonOf(incomplete_details).reason) ?? 'incomplete';
      return reason === 'max_output_tokens' ? 'length' : reason;
    }
    if (status !== 'completed') return wordOf(status);
    return listOf(output).some(({ type }) => type === 'function_call') ? 'tool_calls' : 'stop';
  }

  usage(): Usage | undefined {
    return tokensOf(this.#response().usage, 'input_tokens', 'output_tokens');
  }

  model(): string | undefined {
    return textOf((this.#last ?? this.#head).model);
  }
}

/**
 * What tells an item from others: its place, because some servers change ids; else its id, because llama.cpp
 * says no places.
 */
function keyOf(index: unknown, id: unknown): string | null {
  if (index !== undefined) {
    const place = placeOf(index, MAX_ITEMS);
    return place === null ? null : `#${place}`;
  }
  return typeof id === 'string' ? id : null;
}
