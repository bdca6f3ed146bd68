import { BridgeError, errorText } from '../../protocol/bridge-error.js';

/** The result of a check. `skipped`: it could not be made, because something before it is broken. */
export type FindingStatus = 'ok' | 'warning' | 'broken' | 'skipped';

/**
 * One finding of `doctor`. Its names and its JSON form are a contract; the words of `text` and `remedy` are
 * not.
 */
export interface Finding {
  /** What was checked: `hooks`, `host-key`, …; several findings may have the same name. */
  readonly check: string;
  readonly status: FindingStatus;
  readonly text: string;
  /** What to do, if possible as a command to paste; null where there is nothing to do. */
  readonly remedy: string | null;
}

/** A finding without the name of its check. */
export type Verdict = Omit<Finding, 'check'>;

/** Everything is in order. */
export function ok(text: string): Verdict {
  return { status: 'ok', text, remedy: null };
}

/** It works, but may stop working, or is less safe than it should be. */
export function warning(text: string, remedy: string): Verdict {
  return { status: 'warning', text, remedy };
}

/** Something does not work. */
export function broken(text: string, remedy: string): Verdict {
  return { status: 'broken', text, remedy };
}

/** It was not checked. */
export function skipped(text: string): Verdict {
  return { status: 'skipped', text, remedy: null };
}

/** One check of one thing. */
export interface Check {
  readonly name: string;
  /** Earlier checks that it depends on. One that is not in the list of checks does not count as missing. */
  readonly needs?: readonly string[];
  /** A BridgeError that it throws becomes `broken`. */
  run(): Promise<Verdict | readonly Verdict[]>;
}

/**
 * Makes one check after the other, and yields each finding as soon as it is known. A check that depends on
 * something broken is skipped, with the reason. An unexpected failure of a check does not stop the others.
 */
export async function* runChecks(checks: Iterable<Check> | AsyncIterable<Check>): AsyncGenerator<Finding> {
  // Check that cannot be relied on → the broken check that is the cause.
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
