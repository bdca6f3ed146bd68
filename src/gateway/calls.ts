import type { Committed } from '../asker/commit-local.js';
import type { BridgeTerms } from '../bridge/bridge-terms.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import type { AskedCall } from './asked-call.js';
import type { QueuedMessage } from './commit-batch.js';
import type { LiveCall } from './live-call.js';

/** The calls of a gateway, all over one view of its bridge. */
export interface Calls {
  /**
   * Asks, or joins a task that waits for this client. Resolves once the task is on main. Throws ApiError:
   * 404 for a model that nobody has, 429 for too many calls, 413 for one too large, 422 for an idempotency
   * key that was used for another call, 503 where the bridge cannot be reached.
   */
  open(asked: AskedCall): Promise<LiveCall>;
  /**
   * Asks a task that goes on without its client, and resolves with its id once it is on main; the same one
   * for the same idempotency key. Throws ApiError as `open` does.
   */
  post(asked: AskedCall): Promise<string>;
  /**
   * Joins a task that is on main, whoever asked it. Leaving it cancels nothing. Throws ApiError 429 for too
   * many calls.
   */
  watch(task: string): Promise<LiveCall>;
  /** Puts a message on main, as CommitQueue does. Throws ApiError where the bridge does not take it. */
  submit(what: QueuedMessage): Promise<Committed>;
  /** A cancel of this task is on its way: the same call, sent again, is another one. */
  cancelling(task: string): void;
  /** Brings main here up to date. Throws what reading the bridge throws. */
  refresh(): Promise<unknown>;
  /** The author of what is asked. */
  readonly asker: string;
  /** Whether an agent has a model; true also where nobody can tell. */
  hasModel(model: string): Promise<boolean>;
  /**
   * Whether a call joins one that is here: one with its key, or the same one that nobody listens to. Throws
   * ApiError 422 for the key of another call.
   */
  knows(asked: AskedCall): Promise<boolean>;
  /** How many tasks of the bridge wait or are being answered, whoever asked them. */
  openTasks(): Promise<number>;
  /** Whether the last look at the bridge failed, or its connection is lost. */
  isAiling(): boolean;
  /** Who was there when it was read last; null where it never was. */
  lastWho(): WhoWorks | null;
  /** Who is there, and what they have. `maxAgeMs`: how old that may be; half a minute by default. */
  who(maxAgeMs?: number): Promise<WhoWorks>;
  /** The bridge's rules and clock; its terms as they were last read. */
  readonly view: BridgeView;
  /** The terms of the bridge as they are now, as far as that can be known without a wait. */
  terms(): Promise<BridgeTerms>;
  /** About how many tokens a second are generated of those of these tasks that say it. */
  rates(running: readonly string[]): ReadonlyMap<string, number>;
  /** How many tasks are open or kept, and how many clients there are. */
  counts(): { readonly tasks: number; readonly clients: number };
  /** Ends all that waits. What is open on the bridge stays open. */
  close(): Promise<void>;
}

/** How the calls of a gateway are made and kept. */
export interface CallsSettings {
  /** How long a call waits for its answer. Milliseconds. */
  readonly waitMs: number;
  /** How long a task without a client lives on. Milliseconds. */
  readonly lingerMs: number;
  /**
   * A name for this gateway that no other one on this bridge has: after a restart it knows its own tasks by
   * it, and no other's. It stands in the record, as `metadata.gateway`.
   */
  readonly gateway: string;
  /** Who asks, where no key says it. Default: the login name. */
  readonly name?: string | undefined;
  /** The most tasks that may be open or kept at a time. */
  readonly maxCalls: number;
  /** Something went wrong that will be tried again; at most once for each kind of failure in a row. */
  readonly onProblem: (error: unknown) => void;
}
