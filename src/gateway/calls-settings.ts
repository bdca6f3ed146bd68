/** What the calls of a gateway are kept by. */
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
