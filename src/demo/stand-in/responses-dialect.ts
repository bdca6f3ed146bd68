import type { WireName } from './stand-in-request.js';
import type { Plain } from './wire.js';

/** In what the servers differ that speak this API. */
export interface ResponsesDialect {
  readonly wire: WireName;
  /** llama.cpp says little: no numbers, no places, of the request nothing. */
  readonly isLean: boolean;
  /** Whether an answer that was cut is `incomplete`; else it is `completed` as any. */
  readonly tellsCuts: boolean;
  /** In which list of its item thinking stands. */
  readonly reasoning: 'summary' | 'content';
  /** Whether the arguments of a call come in pieces. */
  readonly cutsCalls: boolean;
  readonly badForm: Plain;
  readonly error: (message?: string) => string;
}
