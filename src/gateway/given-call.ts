import type { TaskRequest } from '../protocol/request.js';

/** How the answer to a call is to be given. */
export interface GivenCall extends TaskRequest {
  readonly wantsStream: boolean;
  /** Aborts when the client goes away. */
  readonly left: AbortSignal;
  /** How long a stream is silent before it says that it still waits; for tests. Milliseconds. */
  readonly commentMs?: number;
}
