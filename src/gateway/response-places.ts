import { isJsonObject, type JsonObject } from '../protocol/json-object.js';
import { dataIn, withData } from './polish.js';

/**
 * Adds to the events of a response what llama.cpp leaves out of them and OpenAI's clients go by: the number
 * of each event, the place of an item in the output and of a part in its item, and the empty output of a
 * response that has only begun. What an event says itself stays. One for each stream.
 */
export class ResponsePlaces {
  #number = 0;
  /** The place of each item by its id. */
  readonly #items = new Map<string, number>();
  /** How many parts of an item have begun. */
  readonly #parts = new Map<number, number>();

  /** A server-sent event. One that has a number is complete, and stays to the byte. */
  fillEvent(event: string): string {
    if (event.includes('"sequence_number"')) return event;
    const value = dataIn(event);
    if (!isJsonObject(value) || typeof value.type !== 'string') return event;
    const sequence_number = this.#number++;
    return withData(event, { ...this.fill(value), sequence_number });
  }

  /** The same for its data, without a number. */
  fill<T extends JsonObject>(event: T): T {
    const type = String(event.type);
    if (isJsonObject(event.response)) {
      const { response } = event;
      return { ...event, response: { ...response, output: response.output ?? [] } };
    }
    const id = isJsonObject(event.item) ? event.item.id : event.item_id;
    if (typeof id !== 'string') return event;
    const output_index = this.#placeOf(id, event.output_index);
    if (type.endsWith('part.added')) this.#parts.set(output_index, this.#partsOf(output_index) + 1);
    const part = Math.max(0, this.#partsOf(output_index) - 1);
    if (IN_CONTENT.test(type)) return { ...event, output_index, content_index: event.content_index ?? part };
    if (IN_SUMMARY.test(type)) return { ...event, output_index, summary_index: event.summary_index ?? part };
    return { ...event, output_index };
  }

  #placeOf(id: string, said: unknown): number {
    const place = typeof said === 'number' ? said : (this.#items.get(id) ?? this.#items.size);
    this.#items.set(id, place);
    return place;
  }

  #partsOf(place: number): number {
    return this.#parts.get(place) ?? 0;
  }
}

const IN_CONTENT = /^response\.(?:content_part|output_text|refusal|reasoning_text)\./;
const IN_SUMMARY = /^response\.reasoning_summary/;
