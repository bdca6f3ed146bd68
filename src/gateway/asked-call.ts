import type { TaskRequest } from '../protocol/request.js';

/** What goes with a call of a client beside what it asks. */
export interface CallTerms {
  /** The name of the token it came with; null where this machine calls without one. */
  readonly token: string | null;
  /** `Idempotency-Key`: the same call sent again, which is to find the same task. */
  readonly idempotencyKey: string | null;
  readonly wantsStream: boolean;
  /** Whether no third party may read it. */
  readonly localOnly?: boolean | undefined;
  /** What else is to stand in the metadata of its task. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** A call of a client. */
export interface AskedCall extends TaskRequest, CallTerms {
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal | undefined;
}
