import { DISK } from '../../process/durable-file.js';
import { errorText } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';
import { requireSafeLogFolder } from '../log-folder.js';
import { type LoggedLine, lastSeqOfLog, readRecordsFrom } from '../log-records.js';
import {
  type DeliveryContext,
  fail,
  MAX_RETRY_MS,
  pass,
  type Recipient,
  save,
  type Untaken,
} from './recipient.js';
import { type FailedRun, runExecutable } from './run-executable.js';
import { caughtUpTo, forgetAskAgain, isAskedAgain, readOnAnswerState } from './state.js';

/** How much of the log is read at a time. */
const BATCH = { maxRecords: 100, maxChars: 4 * 1024 * 1024 };

/** How often a record is tried, which takes about ten minutes, before those after it are tried. */
const PATIENT_TRIES = 8;

/** How many records behind one that keeps failing are tried at a time. */
const MAX_PROBES = 3;

/**
 * Gives an executable the records after its state, one at a time and in order, until there are no more or
 * one fails.
 * 1. Read its state. An executable without a state is new: it starts with the first record
 *    that came after it was put there.
 * 2. Where somebody asked for it, give it what is set aside once more.
 * 3. Run it with the record. After a crash here, or before 4 is done, it gets the same record again.
 * 4. Write its state.
 * A record is set aside, and the next goes on, where the executable says that it will never take it, or
 * where it failed PATIENT_TRIES times and one of the next records is taken: then it is the record and not
 * the executable, or the network, that is at fault.
 * Never throws: any other error counts as a failure of the executable; it is kept in the state, and tried
 * again later. Returns whether it got on.
 */
export async function deliver(context: DeliveryContext, recipient: Recipient): Promise<boolean> {
  const { entry } = recipient;
  let hasTaken = false;
  try {
    recipient.state ??= await readOnAnswerState(context.gitDir, entry.name);
    // Otherwise somebody who can replace the log could have the executables run with their own records.
    requireSafeLogFolder(context.answersLog, context.gitDir);
    if (recipient.state === null) {
      recipient.state = caughtUpTo(await lastSeqBefore(context, entry.sinceMs));
      recipient.isUnsaved = true;
    }
    if (await isAskedAgain(context.gitDir, entry.name)) hasTaken = await giveAgain(context, recipient);
    const { next_try: nextTry } = recipient.state;
    const notBeforeMs = nextTry === null ? 0 : Date.parse(nextTry);
    const waitMs = notBeforeMs - context.now();
    // A server whose clock went back must not wait for days.
    if (waitMs > 0 && waitMs <= MAX_RETRY_MS) {
      recipient.notBeforeMs = notBeforeMs;
      return hasTaken;
    }
    if (recipient.isUnsaved) await save(context, recipient);
    for (;;) {
      const records = await recordsBehind(context, recipient.state.last_seq);
      if (records.length === 0) return hasTaken;
      for (const record of records) {
        if (!(await context.isRunnable(entry.name))) return hasTaken;
        const failure = await runWith(context, recipient, record);
        if (failure !== null && !failure.isFinal) {
          const passed = await probe(context, recipient, { record, failure });
          if (!passed) await fail(context, recipient, failure.reason);
          return hasTaken || passed;
        }
        await pass(context, recipient, record.seq, failure === null ? [] : [{ record, failure }]);
        hasTaken = true;
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

function recordsBehind({ answersLog }: DeliveryContext, lastSeq: number): Promise<LoggedLine[]> {
  return readRecordsFrom(DISK, answersLog, ({ seq }) => seq > lastSeq, BATCH);
}

function runWith(
  context: DeliveryContext,
  { entry }: Recipient,
  record: LoggedLine,
): Promise<FailedRun | null> {
  return runExecutable(entry.file, `${record.line}\n`, context);
}

/**
 * The first record behind the state has failed again. Once it has done so often enough, tries those behind
 * it: where one is taken, those before it are set aside. Returns whether that was so.
 */
async function probe(context: DeliveryContext, recipient: Recipient, first: Untaken): Promise<boolean> {
  if ((recipient.state?.failures ?? 0) + 1 < PATIENT_TRIES) return false;
  const untaken = [first];
  const next = await recordsBehind(context, first.record.seq);
  for (const record of next.slice(0, MAX_PROBES)) {
    if (!(await context.isRunnable(recipient.entry.name))) return false;
    const again = await runWith(context, recipient, record);
    if (again === null) {
      await pass(context, recipient, record.seq, untaken);
      return true;
    }
    untaken.push({ record, failure: again });
  }
  return false;
}

/** Gives an executable what is set aside, each record once. Returns whether it took one. */
async function giveAgain(context: DeliveryContext, recipient: Recipient): Promise<boolean> {
  const { gitDir, answersLog } = context;
  let hasTaken = false;
  // First, so that a failure of ours does not come again and again. What was not given by then stays set
  // aside.
  await forgetAskAgain(gitDir, recipient.entry.name);
  for (const one of recipient.state?.set_aside ?? []) {
    const [record] = await readRecordsFrom(DISK, answersLog, ({ seq }) => seq >= one.seq, {
      ...BATCH,
      maxRecords: 1,
    });
    // Its file was deleted, after a rotation.
    const isGone = record?.seq !== one.seq;
    const failure = isGone
      ? { reason: 'the log does not have it any more', isFinal: true }
      : await runWith(context, recipient, record);
    const state = recipient.state ?? caughtUpTo(0);
    const others = state.set_aside.filter(({ seq }) => seq !== one.seq);
    const at = new Date(context.now()).toISOString();
    const set_aside =
      failure === null
        ? others
        : state.set_aside.map((it) => (it.seq === one.seq ? { ...it, at, reason: failure.reason } : it));
    recipient.state = { ...state, set_aside };
    recipient.isUnsaved = true;
    await save(context, recipient);
    hasTaken ||= failure === null;
  }
  return hasTaken;
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
