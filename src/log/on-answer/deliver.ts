import { DISK } from '../../process/durable-file.js';
import { errorText } from '../../protocol/bridge-error.js';
import { excerpt, oneLine } from '../../protocol/printable.js';
import { requireLogPlace } from '../log-folder.js';
import { type LoggedLine, lastSeqOfLog, readRecordsFrom } from '../log-records.js';
import type { OnAnswerEntry } from './folder.js';
import { runExecutable } from './run-executable.js';
import { caughtUpTo, type OnAnswerState, readOnAnswerState, writeOnAnswerState } from './state.js';

/** One that fails and fails is tried at least so often. Milliseconds. */
const MAX_RETRY_MS = 15 * 60_000;

/** What is read of the log at a time. */
const BATCH = { maxRecords: 100, maxChars: 4 * 1024 * 1024 };

/** Where records are delivered from. */
export interface DeliveryContext {
  /** Absolute. */
  readonly gitDir: string;
  readonly answersLog: string;
  readonly timeoutMs: number;
  /** The first wait after a failure; twice that after the next, and so on. */
  readonly retryMs: number;
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => number;
  /** Whether this executable is still there, and may still be run. */
  readonly isRunnable: (name: string) => Promise<boolean>;
}

/** An executable and how far it has got, as the dispatcher that runs knows it. */
export interface Recipient {
  readonly entry: Extract<OnAnswerEntry, { status: 'runnable' }>;
  /** Null before its state was read. */
  state: OnAnswerState | null;
  /** Whether `state` is not on the disk: then nothing is delivered before it is. */
  isUnsaved: boolean;
  /** Not to be looked at before; milliseconds since the epoch. */
  notBeforeMs: number;
}

/**
 * Gives an executable the records behind its state, one at a time and in order, until there are no more or one fails.
 * 1. Read its state. Where it has none, it is new: it begins with what came into the log after it was put there.
 * 2. Run it with the record. Dying here, or before 3 is done, gives it the same record again.
 * 3. Write its state.
 * Never throws: what goes wrong is a failure like its own, kept in the state and tried again later. Answers whether a record was taken.
 */
export async function deliver(context: DeliveryContext, recipient: Recipient): Promise<boolean> {
  const { entry } = recipient;
  let hasTaken = false;
  try {
    recipient.state ??= await readOnAnswerState(context.gitDir, entry.name);
    // Whoever can put another log in the place of this one must not have his records run with.
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
    // The log cannot be read, or the state not be written (a full disk): nothing more is delivered until it can.
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

/** The number of the last record that was in the log before `timeMs`; 0 where none was. */
async function lastSeqBefore({ answersLog }: DeliveryContext, timeMs: number): Promise<number> {
  // In this order: a record that comes in between is found by the search.
  const last = await lastSeqOfLog(DISK, answersLog);
  // Records have whole milliseconds, files have parts of them.
  const isBehind = ({ ingestedAtMs }: LoggedLine) => ingestedAtMs >= Math.floor(timeMs);
  const [next] = await readRecordsFrom(DISK, answersLog, isBehind, { maxRecords: 1, maxChars: 0 });
  return next === undefined ? last : next.seq - 1;
}
