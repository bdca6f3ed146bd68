import type { Usage } from '../../../protocol/answer.js';
import type { Json } from './clean-json.js';

/**
 * Puts the events of one response together as the body that the API gives without a stream. It never
 * throws: what is no part of an answer is passed over. It keeps what it has heard and no more, so its memory
 * is that of the events; who reads them from the model server bounds their bytes.
 */
export interface Assembler {
  /** Takes an event: a block of a stream of events (SSE) without its blank line, or a line of JSON. */
  take(event: string): void;
  /** Takes a body that came without a stream, in place of all events. */
  read(body: Json): void;
  /** Whether the answer has come to its end, by the API's own words for that. */
  isComplete(): boolean;
  /** The body as far as it was heard: a JSON value without half characters. */
  body(): Record<string, unknown>;
  /** The text of the answer, of the first where there are several; null where it has none. */
  text(): string | null;
  /** What the model thought, apart from the text; null where it did not. */
  thinking(): string | null;
  /** In OpenAI's words where the API says the same in others: `stop`, `length`, `tool_calls`. */
  finishReason(): string | undefined;
  usage(): Usage | undefined;
  /** The model that answered, by its own word. */
  model(): string | undefined;
}
