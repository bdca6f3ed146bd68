import type { BridgeSettings } from '../bridge/bridge-settings.js';
import type { ObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import type { HistoryCommit, HistoryMessage } from '../protocol/history.js';
import type { Principal } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';

import type { Citations } from './citations.js';
import type { IncomingObjects } from './incoming-objects.js';

/** One line of pre-receive's standard input: a ref and the ids that the push moves it from and to. */
export interface RefUpdateLine {
  readonly oldId: string;
  readonly newId: string;
  readonly ref: string;
}

/** Everything the rules may look at. They write nothing. */
export interface PushContext {
  readonly repo: Repository;
  readonly reader: ObjectReader;
  readonly settings: BridgeSettings;
  readonly principal: Principal | null;
  readonly update: RefUpdateLine;
  /** The blobs of the refs beside main in the same push. They are judged separately. */
  readonly besides: ReadonlySet<string>;
  /** Everything that came in with the push. */
  readonly incoming: IncomingObjects;
  readonly citations: Citations;
  /** The server's clock; milliseconds since the epoch. */
  readonly nowMs: number;
  /** The new commits, the oldest first; at most MAX_COMMITS_PER_PUSH + 1 of them. */
  readonly commits: readonly HistoryCommit[];
  /** The newest commits of main and the new ones after them, where both were read in one go; else empty. */
  readonly recent: readonly HistoryCommit[];
  /** The new commits as messages. */
  readonly messages: readonly HistoryMessage[];
}

/** What the rules for refs beside main look at. */
export interface SidePush {
  readonly repo: Repository;
  readonly reader: ObjectReader;
  readonly settings: BridgeSettings;
  readonly principal: Principal | null;
  readonly citations: Citations;
  /** The server's clock; milliseconds since the epoch. */
  readonly nowMs: number;
  /** The tip of main after the push: an id, or the name of the ref where main stays. */
  readonly tip: string;
  /** The tasks that the same push answers. */
  readonly answering: ReadonlySet<string>;
}

/** One rule. Null where the push keeps the rule. */
export type Rule = (push: PushContext) => Promise<Refusal | null> | Refusal | null;
