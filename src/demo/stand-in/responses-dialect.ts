import type { WireName } from './stand-in-request.js';
import type { Plain } from './wire.js';

/** How the servers differ that speak this API. */
export interface ResponsesDialect {
  readonly wire: WireName;
  /** llama.cpp leaves out the sequence numbers, the places, and the fields of the request. */
  readonly isLean: boolean;
  /** Whether an answer that was cut is `incomplete`; else it is `completed`, like the others. */
  readonly tellsCuts: boolean;
  /** The list of its item that has the thinking. */
  readonly reasoning: 'summary' | 'content';
  /** Whether the arguments of a call come in pieces. */
  readonly cutsCalls: boolean;
  readonly badForm: Plain;
  readonly error: (message?: string) => string;
}
