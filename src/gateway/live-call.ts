import type { FoundAnswer } from '../asker/find-answer.js';

/**
 * What a client hears of its call. `event`: the next raw event of the model server, an SSE block or an
 * NDJSON line. `restart`: a second generation begins, and what came before is void. `answer`: the record's
 * answer, the last that comes; `isWhole` says that the events since the last restart are all of the stream.
 * `unanswered`: there is none within the time that a call waits; the task may still be answered.
 */
export type CallEvent =
  | { readonly event: string }
  | { readonly restart: true }
  | { readonly answer: FoundAnswer['answer']; readonly from: string; readonly isWhole: boolean }
  | { readonly unanswered: 'wait' };

/** A call as one of its clients has it. */
export interface LiveCall {
  /** The id of the task in the record. */
  readonly task: string;
  /** Whether the task was there before: a client that left, or one with the same key, has asked for it. */
  readonly isJoined: boolean;
  /** What comes, from the beginning. Read it once. Ends after `answer` or `unanswered`, or when left. */
  readonly events: AsyncIterable<CallEvent>;
  /**
   * The client has gone, or has all that it is to get. `delivered`: it has the whole answer, so the same
   * question asked again is a new one. May be called twice.
   */
  leave(how?: { readonly delivered: boolean }): void;
}
