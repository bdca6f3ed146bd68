import type { BridgeSettings } from '../bridge/bridge-settings.js';
import type { ObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import type { HistoryCommit, HistoryMessage } from '../protocol/history.js';
import type { Principal } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';

import type { Citations } from './citations.js';
import type { IncomingObjects } from './incoming-objects.js';

/** One line of pre-receive's standard input: a ref that someone asks to move. */
export interface RefUpdateLine {
  readonly oldId: string;
  readonly newId: string;
  readonly ref: string;
}

/** All that the rules may look at. They write nothing. */
export interface PushContext {
  readonly repo: Repository;
  readonly reader: ObjectReader;
  readonly settings: BridgeSettings;
  readonly principal: Principal | null;
  readonly update: RefUpdateLine;
  /** The blobs of claims and presences that go along, which are judged by themselves. */
  readonly besides: ReadonlySet<string>;
  /** Everything that came in with the push. */
  readonly incoming: IncomingObjects;
  readonly citations: Citations;
  /** The server's clock; milliseconds since the epoch. */
  readonly nowMs: number;
  /** The new commits, the oldest first, as far as MAX_COMMITS_PER_PUSH + 1. */
  readonly commits: readonly HistoryCommit[];
  /** The newest commits of main and these behind them, as far as they were read along; empty where they were not. */
  readonly recent: readonly HistoryCommit[];
  /** The same commits as messages. */
  readonly messages: readonly HistoryMessage[];
}

/** What the rules for claims and presences look at. */
export interface SidePush {
  readonly repo: Repository;
  readonly reader: ObjectReader;
  readonly settings: BridgeSettings;
  readonly principal: Principal | null;
  readonly citations: Citations;
  /** The server's clock; milliseconds since the epoch. */
  readonly nowMs: number;
  /** Where main will be after the push: an id, or its name where it stays. */
  readonly tip: string;
  /** The tasks that the push itself answers. */
  readonly answering: ReadonlySet<string>;
}

/** One rule. Answers null where the push keeps it. */
export type Rule = (push: PushContext) => Promise<Refusal | null> | Refusal | null;
