import { readBridgeSettings } from '../bridge/bridge-settings.js';
import type { ObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { DISK } from '../process/durable-file.js';
import { openGroupFile } from '../process/group-files.js';
import { isListBehind, keepOpenTasks, MAX_BEHIND } from '../rules/keep-open-tasks.js';
import { appendAnswers, type Walk } from './append-answers.js';
import { notWritable } from './log-folder.js';
import { type WithLogOptions, withLog } from './with-log.js';

/** What an ingest did. */
export interface IngestResult {
  /** How many records it wrote. */
  readonly added: number;
  /** The number of the newest record, written now or earlier; 0 in an empty log. */
  readonly lastSeq: number;
  /** How many bytes of a torn last line were cut off and kept in `answers.log.torn`. */
  readonly repairedBytes: number;
}

/** What an ingest needs from its caller. */
export interface IngestOptions extends WithLogOptions {
  readonly now: () => number;
  /** A reader that is already open. The caller closes it. */
  readonly reader?: ObjectReader | undefined;
}

/** How many times ingest writes again where the log is removed during the write. */
const MAX_ROUNDS = 5;

/**
 * Brings `answers.log` up to date with `main`: one line for each answer commit, in the order of history. The
 * log alone says where to continue. So a second run adds nothing, and the next run completes what a killed
 * run began. Throws BridgeError `bad-log`, `log-not-of-history`, `no-log-file`, `open-log-folder`, `locked`,
 * or the failure of git or the disk.
 */
export async function ingest(
  repo: Repository,
  { now, fs = DISK, settings, reader, lock }: IngestOptions,
): Promise<IngestResult> {
  let before: number | null = null;
  let repairedBytes = 0;
  const walk: Walk = { count: 0, lastAnswer: null };
  const job = async (logPath: string) => {
    for (let round = 1; ; round += 1) {
      const log = await openGroupFile(logPath, 'a+', fs).catch(notWritable(logPath));
      try {
        const done = await appendAnswers(repo, log, logPath, { now, fs, reader, walk });
        before ??= done.firstSeq;
        repairedBytes += done.repairedBytes;
        // A rotation that compresses at once may have removed the open file, and with it what we wrote.
        if ((await log.stat()).nlink > 0 || round === MAX_ROUNDS)
          return { added: done.lastSeq - before, lastSeq: done.lastSeq, repairedBytes };
      } finally {
        await log.close();
      }
    }
  };
  const result = await withLog(repo, { fs, settings, lock }, job);
  await keepList(repo, walk, {
    now,
    settings,
    firstSeq: result.lastSeq - result.added,
    lastSeq: result.lastSeq,
  });
  return result;
}

/**
 * How far the list of open tasks is behind main is asked once in this many answers, because it costs a git
 * process.
 */
const ASKED_EVERY = 64;

/**
 * Brings the list of open tasks up to main where much was walked, or where it fell behind answer by answer.
 * Never throws: the list only saves work, and the answer is in the log by now.
 */
async function keepList(
  repo: Repository,
  { count, lastAnswer }: Walk,
  context: Pick<IngestOptions, 'now' | 'settings'> & { readonly firstSeq: number; readonly lastSeq: number },
): Promise<void> {
  const { now, settings, firstSeq, lastSeq } = context;
  try {
    const isAsked = Math.floor(firstSeq / ASKED_EVERY) !== Math.floor(lastSeq / ASKED_EVERY);
    if (count <= MAX_BEHIND && !(isAsked && (await isListBehind(repo)))) return;
    const { taskTtlMs: ttlMs } = await (settings ?? readBridgeSettings(repo));
    await keepOpenTasks(repo, lastAnswer, { nowMs: now(), ttlMs });
  } catch {
    // What the list says stays true, and a later ingest brings it up to date.
  }
}
