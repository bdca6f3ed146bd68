import type { Usage } from '../../../protocol/answer.js';
import type { Json } from './clean-json.js';

/**
 * Puts the events of one response together as the body that the API gives without a stream. It never throws:
 * what is no part of an answer is ignored. It keeps what it has heard and no more, so its memory is that of
 * the events, whose bytes are bounded where they are read from the model server.
 */
export interface Assembler {
  /** Takes an event: a block of a stream of events (SSE) without its blank line, or a line of JSON. */
  take(event: string): void;
  /** Takes a body that came without a stream, in place of all events. */
  read(body: Json): void;
  /** Whether the answer is complete, by the API's own words for that. */
  isComplete(): boolean;
  /** The body as far as it was heard, without lone surrogates. */
  body(): Record<string, unknown>;
  /** The text of the answer; of the first answer where there are several; null where it has none. */
  text(): string | null;
  /** What the model thought, apart from the text; null where it did not. */
  thinking(): string | null;
  /** In OpenAI's words, where the API has other words for the same: `stop`, `length`, `tool_calls`. */
  finishReason(): string | undefined;
  usage(): Usage | undefined;
  /** The model that answered, as the response names it. */
  model(): string | undefined;
}
