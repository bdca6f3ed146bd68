/** What every failure of llm-bridge is thrown as. */
export interface BridgeErrorInit {
  /** A stable name for programs, kebab-case: `no-such-repository`, `ssh-auth`, `usage`. */
  readonly code: string;
  /** What to do about it; the `try:` line. */
  readonly remedy: string;
  /** Whether the same call may succeed later without anyone changing anything. Default false. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/**
 * An error a person can act on: what happened (`message`, the `error:` line) and what to do (`remedy`, the `try:` line).
 * `code` is `usage` where the caller's own words are wrong; the command line exits with 2 for it, else with 1.
 */
export class BridgeError extends Error {
  override readonly name = 'BridgeError';
  readonly code: string;
  readonly remedy: string;
  readonly retryable: boolean;

  constructor(message: string, init: BridgeErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.remedy = init.remedy;
    this.retryable = init.retryable ?? false;
  }
}

/** The text of anything thrown, for a log line or an `error:` line. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
