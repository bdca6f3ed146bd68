import { DISK } from '../../process/durable-file.js';
import { errorText } from '../../protocol/bridge-error.js';
import { excerpt, oneLine } from '../../protocol/printable.js';
import { requireLogPlace } from '../log-folder.js';
import { type LoggedLine, lastSeqOfLog, readRecordsFrom } from '../log-records.js';
import type { OnAnswerEntry } from './folder.js';
import { runExecutable } from './run-executable.js';
import { caughtUpTo, type OnAnswerState, readOnAnswerState, writeOnAnswerState } from './state.js';

/** The longest wait between two tries of an executable that keeps failing. Milliseconds. */
const MAX_RETRY_MS = 15 * 60_000;

/** How much of the log is read at a time. */
const BATCH = { maxRecords: 100, maxChars: 4 * 1024 * 1024 };

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

/**
 * Gives an executable the records after its state, one at a time and in order, until there are no more or one
 * fails.
 * 1. Read its state. An executable without a state is new: it starts with the first record
 *    that came after it was put there.
 * 2. Run it with the record. After a crash here, or before 3 is done, it gets the same record again.
 * 3. Write its state.
 * Never throws: any other error counts as a failure of the executable; it is kept in the state, and tried
 * again later. Returns whether a record was taken.
 */
export async function deliver(context: DeliveryContext, recipient: Recipient): Promise<boolean> {
  const { entry } = recipient;
  let hasTaken = false;
  try {
    recipient.state ??= await readOnAnswerState(context.gitDir, entry.name);
    // Otherwise somebody who can replace the log could have the executables run with his records.
    requireLogPlace(context.answersLog, context.gitDir);
    if (recipient.state === null) {
      recipient.state = caughtUpTo(await lastSeqBefore(context, entry.sinceMs));
      recipient.isUnsaved = true;
    }
    const { next_try: nextTry } = recipient.state;
    const notBeforeMs = nextTry === null ? 0 : Date.parse(nextTry);
    const waitMs = notBeforeMs - context.now();
    // A server whose clock went back must not wait for days.
    if (waitMs > 0 && waitMs <= MAX_RETRY_MS) {
      recipient.notBeforeMs = notBeforeMs;
      return false;
    }
    if (recipient.isUnsaved) await save(context, recipient);
    for (;;) {
      const { last_seq: lastSeq }: OnAnswerState = recipient.state;
      const records = await readRecordsFrom(DISK, context.answersLog, ({ seq }) => seq > lastSeq, BATCH);
      if (records.length === 0) return hasTaken;
      for (const { seq, line } of records) {
        if (!(await context.isRunnable(entry.name))) return hasTaken;
        const failure = await runExecutable(entry.file, `${line}\n`, context);
        if (failure !== null) {
          await fail(context, recipient, failure);
          return hasTaken;
        }
        recipient.state = caughtUpTo(seq);
        recipient.isUnsaved = true;
        hasTaken = true;
        await save(context, recipient);
      }
    }
  } catch (error) {
    // The log cannot be read, or the state cannot be written (a full disk). Nothing more is delivered until
    // it can.
    recipient.notBeforeMs = context.now() + context.retryMs;
    const reason = excerpt(oneLine(errorText(error)), 500);
    if (!recipient.isUnsaved && recipient.state !== null)
      await fail(context, recipient, reason).catch(() => {});
    return hasTaken;
  }
}

async function fail(context: DeliveryContext, recipient: Recipient, reason: string): Promise<void> {
  const { last_seq = 0, failures = 0 } = recipient.state ?? {};
  recipient.notBeforeMs = context.now() + Math.min(context.retryMs * 2 ** failures, MAX_RETRY_MS);
  recipient.state = {
    last_seq,
    failures: failures + 1,
    last_error: reason,
    next_try: new Date(recipient.notBeforeMs).toISOString(),
  };
  recipient.isUnsaved = true;
  await save(context, recipient);
}

async function save(context: DeliveryContext, recipient: Recipient): Promise<void> {
  if (recipient.state === null) return;
  await writeOnAnswerState(context.gitDir, recipient.entry.name, recipient.state);
  recipient.isUnsaved = false;
}

/** The number of the last record that was in the log before `timeMs`; 0 where there was none. */
async function lastSeqBefore({ answersLog }: DeliveryContext, timeMs: number): Promise<number> {
  // In this order: the search finds a record that comes in between.
  const last = await lastSeqOfLog(DISK, answersLog);
  // The times of records are whole milliseconds; those of files also have fractions.
  const isBehind = ({ ingestedAtMs }: LoggedLine) => ingestedAtMs >= Math.floor(timeMs);
  const [next] = await readRecordsFrom(DISK, answersLog, isBehind, { maxRecords: 1, maxChars: 0 });
  return next === undefined ? last : next.seq - 1;
}
