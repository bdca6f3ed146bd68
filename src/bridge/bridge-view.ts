import type { Repository } from '../git/run-git.js';
import type { HistoryCommit } from '../protocol/history.js';
import type { BridgeTerms } from './bridge-terms.js';
import type { ChosenWindow, WindowWanted } from './chosen-window.js';
import type { BridgeConnection } from './connection.js';
import type { RequireOptions } from './large-files.js';
import type { WhoWorks } from './side-refs.js';

/**
 * How much of history is wanted: what `window` asks for, the last commit, as far back as tasks can be
 * pending, or all of it.
 */
export type Reach = 'chosen' | 'tip' | 'window' | 'all';

/**
 * An open bridge: its rules, and a repository with its history. On this machine that is the bridge itself.
 * Elsewhere it is a clone in a temporary folder, which nothing depends on.
 */
export interface BridgeView {
  readonly connection: BridgeConnection;
  /** The bridge is on this machine: `repo` is always up to date, and its `answers.log` is there. */
  readonly isLocal: boolean;
  /** As they were when it was opened or last learned: read this property at each use. */
  readonly terms: BridgeTerms;
  /** Asks the bridge for its terms again. Throws as readTerms does, and keeps those it has. */
  learnTerms(signal?: AbortSignal): Promise<void>;
  /** The clone may be made again in another folder: read this property at each use. */
  readonly repo: Repository;
  /** The ref in `repo` that is `main`. */
  readonly ref: string;
  /** The last known id of main; null on this machine, where main moves without our knowledge. */
  tip(): string | null;
  /** Fetches this much of history; for `window` also the refs beside main. */
  reach(far: Reach, signal?: AbortSignal): Promise<void>;
  /**
   * Brings the part of the window that is wanted, where the server can choose it, and says which it is; null
   * where `repo` has all of the window, brought now or before. In a view that was opened as `chosen`, call
   * it before anything is read, because it brings the refs beside main too. Call it again after a refresh.
   */
  window(wanted: WindowWanted, signal?: AbortSignal): Promise<ChosenWindow | null>;
  /** Brings `ref` up to date; with `sideRefs` also the refs beside main. */
  refresh(options?: {
    readonly sideRefs?: boolean;
    readonly signal?: AbortSignal | undefined;
  }): Promise<void>;
  /**
   * Makes sure that the file of a message on `ref` is in `repo`. In a clone large files are left out until
   * they are wanted.
   */
  requireFile(commit: HistoryCommit, options?: RequireOptions): Promise<void>;
  /** Does `work`, which reads from `repo`; once more where `repo` was damaged and is made again. */
  mended<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Who is there and works on what, as of the last refresh with side refs. */
  whoWorks(): Promise<WhoWorks>;
  close(): Promise<void>;
}

/** Options for a view. */
export interface ViewOptions {
  /** Large files come at once with all others. Default: when they are required. */
  readonly allFiles?: boolean;
  readonly signal?: AbortSignal | undefined;
}
