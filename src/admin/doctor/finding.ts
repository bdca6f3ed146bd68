/** How a thing that was looked at is: `skipped` where it could not be looked at, because something before it is broken. */
export type FindingStatus = 'ok' | 'warning' | 'broken' | 'skipped';

/** What one look of `doctor` found. The names and the JSON form of it are a contract; the words of `text` and `remedy` are not. */
export interface Finding {
  /** What was looked at: `hooks`, `host-key`, …; several findings may have the same. */
  readonly check: string;
  readonly status: FindingStatus;
  readonly text: string;
  /** What to do, a command to paste where there is one; null where there is nothing to do. */
  readonly remedy: string | null;
}

/** A finding whose check is known already. */
export type Verdict = Omit<Finding, 'check'>;

/** All is as it should be. */
export function ok(text: string): Verdict {
  return { status: 'ok', text, remedy: null };
}

/** It works, and may stop working, or is not as safe as it should be. */
export function warning(text: string, remedy: string): Verdict {
  return { status: 'warning', text, remedy };
}

/** Something does not work. */
export function broken(text: string, remedy: string): Verdict {
  return { status: 'broken', text, remedy };
}

/** It was not looked at. */
export function skipped(text: string): Verdict {
  return { status: 'skipped', text, remedy: null };
}
