import { stat } from 'node:fs/promises';
import { parseAddress } from '../bridge/address.js';
import { type BridgeAccess, openDoorbell } from '../bridge/connection.js';
import { isOwner, openLocalBridge } from '../bridge/local-bridge.js';
import { createNotifier } from '../bridge/notifier.js';
import { openBridgeView } from '../bridge/open-bridge-view.js';
import { readRef } from '../git/refs.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
import { stringifyEscaped } from '../protocol/strict-json.js';
import { catchUpLog } from './catch-up-log.js';
import { readLogLines } from './follow-log.js';
import { LargeMessages } from './large-messages.js';
import { newestOlderLines, olderLines } from './older-lines.js';
import { answersBackwards, answersForwards, type HistoryRecord, readAnswers } from './read-answers.js';

/** Which records to read. */
export interface RecordRange {
  /** Of the records that are there, only the newest `count`. */
  readonly count?: number;
  /** Only the lines for which this is true; `count` counts them alone. Default: all. */
  readonly wanted?: ((line: string) => boolean) | undefined;
  /**
   * No answer that was made before this is wanted, milliseconds since the epoch: what is older is not read.
   */
  readonly sinceMs?: number | undefined;
  /**
   * Over ssh a record may lack the `metadata` of a task that is large, because a photo would have to be
   * fetched for it. Default: no record lacks it.
   */
  readonly isForPerson?: boolean;
  readonly follow: boolean;
  /**
   * Called where what is followed cannot be fetched for now, once until it works again. It is tried again.
   */
  readonly onProblem?: (error: BridgeError) => void;
  readonly signal: AbortSignal;
}

/** How often to look over ssh where no doorbell rings. Milliseconds. */
const POLL_MS = 5_000;
const SAFETY_POLL_MS = 60_000;

/**
 * Yields records as lines of JSON, the oldest first. On this machine they are the lines of `answers.log`,
 * which is brought up to date first where it is ours to write; the lines of its rotated files come before
 * them, unless the log is followed. Over ssh the records are made from history, so they have no `seq` and no
 * `ingested_at`.
 */
export async function* readRecords(access: BridgeAccess, range: RecordRange): AsyncGenerator<string> {
  const address = parseAddress(access.repo);
  yield* address.kind === 'local' ? readLocal(address.url, access.env, range) : readRemote(access, range);
}

async function* readLocal(
  repoPath: string,
  env: NodeJS.ProcessEnv,
  { follow, signal, count, wanted, sinceMs }: RecordRange,
): AsyncGenerator<string> {
  const { repo, settings } = await openLocalBridge(repoPath, { env, asOwner: false });
  if (isOwner((await stat(repo.gitDir)).uid)) await catchUpLog(repo);
  const log = settings.answersLog;
  const reach = reachOf(sinceMs);
  const current = { signal, newest: count, wanted, ...reach };
  // With `follow` only the current file is read.
  if (follow) return yield* readLogLines(log, { ...current, follow });
  const older = { wanted: wanted ?? (() => true), ...reach };
  if (count === undefined) {
    yield* olderLines(log, older);
    return yield* readLogLines(log, { ...current, follow });
  }
  const newest: string[] = [];
  for await (const line of readLogLines(log, { ...current, follow })) newest.push(line);
  if (newest.length < count) yield* await newestOlderLines(log, count - newest.length, older);
  yield* newest;
}

/**
 * The log is searched by the time at which an answer was added. The clock of its agent may be ahead of that
 * by this margin, so an answer may have been added before it was made.
 */
function reachOf(sinceMs: number | undefined): { readonly sinceMs?: number } {
  return sinceMs === undefined ? {} : { sinceMs: sinceMs - HISTORY_MARGIN_MS };
}

async function* readRemote(access: BridgeAccess, range: RecordRange): AsyncGenerator<string> {
  const { count, wanted, isForPerson = false } = range;
  // Where few records are read, the large files among them come one by one.
  const allFiles = !isForPerson && (count === undefined || wanted !== undefined);
  const view = await openBridgeView(access, 'all', { allFiles });
  const large = new LargeMessages(view, { tasks: !isForPerson, signal: range.signal });
  const notifier = createNotifier();
  const doorbell = range.follow ? openDoorbell(view.connection, { ring: () => notifier.ring() }) : null;
  try {
    const first = await readRef(view.repo, view.ref);
    const within = { ...reachOf(range.sinceMs), to: first ?? view.ref, large };
    const linesOf = (records: AsyncIterable<HistoryRecord>) => wantedLines(records, wanted ?? (() => true));
    if (count === undefined) yield* linesOf(answersForwards(view.repo, within));
    else yield* (await firstOf(linesOf(answersBackwards(view.repo, within)), count)).reverse();
    let last = first;
    let isFailing = false;
    while (range.follow && !range.signal.aborted) {
      await notifier.wait(doorbell?.connected() && !isFailing ? SAFETY_POLL_MS : POLL_MS, range.signal);
      if (range.signal.aborted) return;
      const after = last === null ? { large } : { after: last, large };
      let records: readonly HistoryRecord[] = [];
      try {
        records = await view.mended(async () => {
          await view.refresh();
          return await readAnswers(view.repo, view.ref, after);
        });
        isFailing = false;
      } catch (error) {
        if (!(error instanceof BridgeError) || !error.retryable) throw error;
        if (!isFailing) range.onProblem?.(error);
        isFailing = true;
      }
      last = records.at(-1)?.commit ?? last;
      for (const record of records) {
        const line = stringifyEscaped(record);
        if (wanted?.(line) ?? true) yield line;
      }
    }
  } finally {
    await doorbell?.close();
    await view.close();
  }
}

async function* wantedLines(
  records: AsyncIterable<HistoryRecord>,
  wanted: (line: string) => boolean,
): AsyncGenerator<string> {
  for await (const record of records) {
    const line = stringifyEscaped(record);
    if (wanted(line)) yield line;
  }
}

async function firstOf(lines: AsyncIterable<string>, count: number): Promise<string[]> {
  const first: string[] = [];
  if (count === 0) return first;
  for await (const line of lines) if (first.push(line) >= count) break;
  return first;
}
