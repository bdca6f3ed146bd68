import { BridgeError, errorText } from '../../protocol/bridge-error.js';

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

/** One look at one thing. */
export interface Check {
  readonly name: string;
  /** Checks that come before it and without which it says nothing. One that is not made at all is not missed. */
  readonly needs?: readonly string[];
  /** A BridgeError that it throws counts as `broken`. */
  run(): Promise<Verdict | readonly Verdict[]>;
}

/**
 * Looks at one thing after the other, and tells what it found as soon as it is known. What rests on something that is broken is
 * skipped, with the reason; a check that fails in an unexpected way does not keep the others from being made.
 */
export async function* runChecks(checks: Iterable<Check> | AsyncIterable<Check>): AsyncGenerator<Finding> {
  // What cannot be relied on → the check that is to blame.
  const blamed = new Map<string, string>();
  for await (const { name, needs = [], run } of checks) {
    const blame = needs.map((need) => blamed.get(need)).find((root) => root !== undefined);
    const verdicts =
      blame === undefined ? await verdictsOf(run) : [skipped(`skipped, because "${blame}" is broken`)];
    const isBad = verdicts.some(({ status }) => status === 'broken' || status === 'skipped');
    if (isBad) blamed.set(name, blame ?? name);
    for (const { status, text, remedy } of verdicts) yield { check: name, status, text, remedy };
  }
}

async function verdictsOf(run: Check['run']): Promise<readonly Verdict[]> {
  try {
    const found = await run();
    return 'status' in found ? [found] : found;
  } catch (error) {
    if (error instanceof BridgeError) return [broken(error.message, error.remedy)];
    const text = `could not be looked at: ${errorText(error)}`;
    return [broken(text, 'please report this with the line above: it is a fault of llm-bridge')];
  }
}
