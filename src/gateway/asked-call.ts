import type { TaskRequest } from '../protocol/request.js';

/** A call of a client. */
export interface AskedCall extends TaskRequest {
  /** The name of the token that it came with; null where there are no tokens. */
  readonly token: string | null;
  readonly idempotencyKey: string | null;
  /** Whether the answer is to come in pieces. */
  readonly wantsStream: boolean;
  /** Whether no third party may read it. */
  readonly localOnly?: boolean | undefined;
  /** What else stands in the metadata of its task. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal | undefined;
}
