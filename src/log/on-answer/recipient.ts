import type { LoggedLine } from '../log-records.js';
import type { OnAnswerEntry } from './folder.js';
import type { FailedRun } from './run-executable.js';
import { caughtUpTo, type OnAnswerState, writeOnAnswerState } from './state.js';

/** The longest wait between two tries of an executable that keeps failing. Milliseconds. */
export const MAX_RETRY_MS = 15 * 60_000;

/** The bridge and its log, and the settings and clock of a delivery. */
export interface DeliveryContext {
  /** An absolute path. */
  readonly gitDir: string;
  readonly answersLog: string;
  readonly timeoutMs: number;
  /** The wait after the first failure. It doubles with each further failure. */
  readonly retryMs: number;
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => number;
  /** Whether this executable still exists and may still be run. */
  readonly isRunnable: (name: string) => Promise<boolean>;
}

/** An executable and its progress, as the running dispatcher knows them. */
export interface Recipient {
  readonly entry: Extract<OnAnswerEntry, { status: 'runnable' }>;
  /** Null until its state was read. */
  state: OnAnswerState | null;
  /** Whether `state` is not on the disk yet. Then nothing is delivered until it is. */
  isUnsaved: boolean;
  /** When the executable is looked at next; milliseconds since the epoch. */
  notBeforeMs: number;
}

/** A record, and why it was not taken. */
export interface Untaken {
  readonly record: LoggedLine;
  readonly failure: FailedRun;
}

/** Notes that the records up to `seq` are done with, and that `untaken` of them are set aside. */
export async function pass(
  context: DeliveryContext,
  recipient: Recipient,
  seq: number,
  untaken: readonly Untaken[],
): Promise<void> {
  const at = new Date(context.now()).toISOString();
  const aside = untaken.map(({ record, failure }) => ({ seq: record.seq, at, reason: failure.reason }));
  recipient.state = caughtUpTo(seq, [...(recipient.state?.set_aside ?? []), ...aside]);
  recipient.isUnsaved = true;
  await save(context, recipient);
}

/** Notes that it took nothing. It is tried again later, after twice the wait of the time before. */
export async function fail(context: DeliveryContext, recipient: Recipient, reason: string): Promise<void> {
  const { last_seq = 0, failures = 0, set_aside = [] } = recipient.state ?? {};
  recipient.notBeforeMs = context.now() + Math.min(context.retryMs * 2 ** failures, MAX_RETRY_MS);
  recipient.state = {
    last_seq,
    failures: failures + 1,
    last_error: reason,
    next_try: new Date(recipient.notBeforeMs).toISOString(),
    set_aside,
  };
  recipient.isUnsaved = true;
  await save(context, recipient);
}

/** Writes its state. Throws where the disk does. */
export async function save(context: DeliveryContext, recipient: Recipient): Promise<void> {
  if (recipient.state === null) return;
  await writeOnAnswerState(context.gitDir, recipient.entry.name, recipient.state);
  recipient.isUnsaved = false;
}
