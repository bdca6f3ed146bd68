import { stat } from 'node:fs/promises';
import { parseAddress } from '../bridge/address.js';
import { openBridgeView } from '../bridge/bridge-view.js';
import { type BridgeAccess, openDoorbell } from '../bridge/connection.js';
import { isOwner, openLocalBridge } from '../bridge/local-bridge.js';
import { createNotifier } from '../bridge/notifier.js';
import { stringifyEscaped } from '../protocol/strict-json.js';
import { catchUpLog } from './catch-up-log.js';
import { readLogLines } from './follow-log.js';
import { type HistoryRecord, readAnswers } from './read-answers.js';

/** Which records to read. */
export interface RecordRange {
  /** Of the records that are there, only the newest `count`. */
  readonly count?: number;
  /** Only those; `count` counts them alone. Default: all. */
  readonly wanted?: ((line: string) => boolean) | undefined;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/** How often to look over ssh where no doorbell rings. Milliseconds. */
const POLL_MS = 5_000;
const SAFETY_POLL_MS = 60_000;

/**
 * Yields records as lines of JSON, the oldest first. On this machine they are the lines of `answers.log`,
 * brought up to date first where it is ours to write; over ssh they are made from history, so without `seq`
 * and `ingested_at`.
 */
export async function* readRecords(access: BridgeAccess, range: RecordRange): AsyncGenerator<string> {
  const address = parseAddress(access.repo);
  yield* address.kind === 'local' ? readLocal(address.url, access.env, range) : readRemote(access, range);
}

async function* readLocal(
  repoPath: string,
  env: NodeJS.ProcessEnv,
  { follow, signal, count, wanted }: RecordRange,
): AsyncGenerator<string> {
  const { repo, settings } = await openLocalBridge(repoPath, { env, asOwner: false });
  if (isOwner((await stat(repo.gitDir)).uid)) await catchUpLog(repo);
  yield* readLogLines(settings.answersLog, { follow, signal, newest: count, wanted });
}

function linesThat(wanted: (line: string) => boolean) {
  return (record: HistoryRecord) => wanted(stringifyEscaped(record));
}

async function* readRemote(access: BridgeAccess, range: RecordRange): AsyncGenerator<string> {
  const view = await openBridgeView(access, 'all', { allFiles: true });
  const notifier = createNotifier();
  const doorbell = range.follow ? openDoorbell(view.connection, { ring: () => notifier.ring() }) : null;
  try {
    const { count, wanted = () => true } = range;
    const isAll = range.wanted === undefined;
    let records = await readAnswers(view.repo, view.ref, isAll && count !== undefined ? { count } : {});
    let last: string | undefined;
    let skipped = count === undefined || isAll ? 0 : records.filter(linesThat(wanted)).length - count;
    for (;;) {
      for (const record of records) {
        last = record.commit;
        const line = stringifyEscaped(record);
        if (wanted(line) && skipped-- <= 0) yield line;
      }
      if (!range.follow || range.signal.aborted) return;
      await notifier.wait(doorbell?.connected() ? SAFETY_POLL_MS : POLL_MS, range.signal);
      if (range.signal.aborted) return;
      records = await view.mended(async () => {
        await view.refresh();
        return await readAnswers(view.repo, view.ref, last === undefined ? {} : { after: last });
      });
    }
  } finally {
    await doorbell?.close();
    await view.close();
  }
}
