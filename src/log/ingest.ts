import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { type BridgeSettings, readBridgeSettings } from '../bridge/bridge-settings.js';
import { treeOfCommit } from '../git/git-objects.js';
import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { syncHistory } from '../git/sync-history.js';
import { DISK, type LogFileSystem, syncEntry, writeWhole } from '../process/durable-file.js';
import { takeFileLock } from '../process/file-lock.js';
import { makeGroupFolder, openGroupFile } from '../process/group-files.js';
import type { HistoryCommit } from '../protocol/history.js';
import { formatLogLine } from '../protocol/log-record.js';
import { lastRotatedPosition } from './log-files.js';
import { noLogFile, requireLogPlace } from './log-folder.js';
import { type LogTail, readLogTail } from './log-tail.js';
import { walkAnswers, walkMainSince } from './walk-answers.js';

/** What an ingest did. */
export interface IngestResult {
  /** How many records it wrote. */
  readonly added: number;
  /** The number of the newest record, written now or before; 0 in an empty log. */
  readonly lastSeq: number;
  /** How many bytes of a torn last line were cut off and kept in `answers.log.torn`. */
  readonly repairedBytes: number;
}

/** What it needs of the machine. */
export interface IngestOptions {
  readonly now: () => number;
  /** Default: the disk. */
  readonly fs?: LogFileSystem;
  /** Where they are read already. */
  readonly settings?: Promise<BridgeSettings> | undefined;
  /** A reader that is open already; whoever gives it closes it. */
  readonly reader?: ObjectReader | undefined;
  /** The lock, where it is being taken already (lockLog); it is let go of all the same. */
  readonly lock?: Promise<() => Promise<void>> | undefined;
}

/** So many records are synced at a time: what a failure takes back, and what the next run does again. */
const BATCH_RECORDS = 1000;

/** So many new commits have their folders synced by name; beyond that, all folders are. A push brings one or a few. */
const MAX_NAMED_COMMITS = 64;

/** How often a log that is removed while it is written is written again. */
const MAX_ROUNDS = 5;

/**
 * Brings `answers.log` up to `main`: one line for each commit that answers, in history's order. The log alone says where
 * to go on, so running it again adds nothing, and whoever runs it next finishes what a killed run began. Throws
 * BridgeError `bad-log`, `log-not-of-history`, `no-log-file`, `open-log-folder`, `locked`, or what git or the disk failed with.
 */
export async function ingest(
  repo: Repository,
  { now, fs = DISK, settings, reader, lock }: IngestOptions,
): Promise<IngestResult> {
  const job = async (logPath: string) => {
    let before: number | null = null;
    let repairedBytes = 0;
    for (let round = 1; ; round += 1) {
      const log = await openGroupFile(logPath, 'a+', fs).catch(notWritable(logPath));
      try {
        const done = await catchUp(repo, log, logPath, { now, fs, reader });
        before ??= done.firstSeq;
        repairedBytes += done.repairedBytes;
        // Who rotates and compresses at once may have removed the file under our hands, what we wrote with it.
        if ((await log.stat()).nlink > 0 || round === MAX_ROUNDS)
          return { added: done.lastSeq - before, lastSeq: done.lastSeq, repairedBytes };
      } finally {
        await log.close();
      }
    }
  };
  return withLog(repo, fs, job, settings, lock);
}

/** Runs `job` with the path of the log while no other ingest of this bridge runs. Throws BridgeError `open-log-folder`. */
export async function withLog<T>(
  repo: Repository,
  fs: LogFileSystem,
  job: (logPath: string) => Promise<T>,
  // Read while the lock is being taken: each is a process of its own to wait for.
  settings: Promise<BridgeSettings> = readBridgeSettings(repo),
  lock: Promise<() => Promise<void>> = lockLog(repo, fs),
): Promise<T> {
  settings.catch(() => {});
  const release = await lock;
  try {
    const { answersLog } = await settings;
    requireLogPlace(answersLog, repo.gitDir);
    return await job(answersLog);
  } finally {
    await release();
  }
}

/** Waits until no other ingest of this bridge runs, and keeps others out; answers how to let go of that. */
export async function lockLog(repo: Repository, fs: LogFileSystem = DISK): Promise<() => Promise<void>> {
  const folder = path.join(repo.gitDir, 'bridge');
  await makeGroupFolder(folder, fs);
  return takeFileLock(path.join(folder, 'ingest.lock'));
}

/** For a log, or a file beside it, that cannot be made or opened. */
export function notWritable(logPath: string) {
  return (cause: NodeJS.ErrnoException): never => {
    throw noLogFile(logPath, cause);
  };
}

/**
 * 1. Find the end of the log, and cut off a line that was torn there.
 * 2. Find where to go on: behind its last record; where it has none, behind the newest of the files that were rotated away; where there
 *    are none, at the start of history.
 * 3. Make what `main` is made of safe: a record must never outlive its commit.
 * 4. Append, a buffer and a write a record. The file may be renamed meanwhile: it is still the log, under another name.
 * 5. Sync the file and its name. What fails before that is taken back, because a line that may be lost must not count as written.
 */
async function catchUp(
  repo: Repository,
  log: FileHandle,
  logPath: string,
  {
    now,
    fs,
    reader: given,
  }: { readonly now: () => number; readonly fs: LogFileSystem } & Pick<IngestOptions, 'reader'>,
): Promise<{ firstSeq: number; lastSeq: number; repairedBytes: number }> {
  const tail = await readLogTail(log, logPath);
  if (tail.torn.length > 0) await cutTornLine(fs, log, logPath, tail);
  const last = tail.last ?? (await lastRotatedPosition(fs, logPath));

  const firstSeq = last?.seq ?? 0;
  let seq = firstSeq;
  let safeBytes = tail.endOfLines;
  let bytes = safeBytes;
  const reader = given ?? openObjectReader(repo);
  try {
    const walking = lookAhead(walkMainSince(repo, last?.commit ?? null), MAX_NAMED_COMMITS);
    const ahead = await walking;
    for await (const { commit, answer } of walkAnswers(reader, ahead.all)) {
      // Everything up to the last record was synced before that was written.
      if (seq === firstSeq)
        await syncHistory(fs, repo, ahead.seen === null ? undefined : await objectsOf(reader, ahead.seen));
      const line = formatLogLine(answer, { seq: seq + 1, commit: commit.id, ingestedAtMs: now() });
      const buffer = Buffer.from(line, 'utf8');
      await writeWhole(log, buffer);
      seq += 1;
      bytes += buffer.length;
      if ((seq - firstSeq) % BATCH_RECORDS === 0) {
        await log.sync();
        safeBytes = bytes;
      }
    }
    // Also where nothing was added: what a killed run left in the file counts as written from now on.
    await log.sync();
    await syncEntry(fs, logPath);
  } catch (error) {
    await takeBack(log, safeBytes).catch(() => {});
    throw error;
  } finally {
    if (given === undefined) reader.close();
  }
  return { firstSeq, lastSeq: seq, repairedBytes: tail.torn.length };
}

async function takeBack(log: FileHandle, safeBytes: number): Promise<void> {
  // Never to make it longer: somebody may have emptied it.
  if ((await log.stat()).size > safeBytes) await log.truncate(safeBytes);
}

/** Keeps the torn bytes aside, then cuts them off: a crash in between keeps them twice and loses nothing. */
async function cutTornLine(
  fs: LogFileSystem,
  log: FileHandle,
  logPath: string,
  { endOfLines, torn }: LogTail,
): Promise<void> {
  const asidePath = `${logPath}.torn`;
  const aside = await openGroupFile(asidePath, 'a', fs).catch(notWritable(asidePath));
  try {
    await writeWhole(aside, Buffer.concat([torn, Buffer.from('\n')]));
    await aside.sync();
  } finally {
    await aside.close();
  }
  await syncEntry(fs, asidePath);
  await log.truncate(endOfLines);
}

/** The ids of what these commits brought: themselves, their trees, and the files they set. */
export async function objectsOf(reader: ObjectReader, commits: readonly HistoryCommit[]): Promise<string[]> {
  const ids: string[] = [];
  for (const commit of commits) {
    const object = await reader.read(commit.id);
    const tree = object === null ? null : treeOfCommit(object.content);
    ids.push(commit.id, ...(tree === null ? [] : [tree]), ...commit.changes.map((change) => change.newId));
  }
  return ids;
}

/** A sequence whose beginning was looked at. */
export interface Ahead<T> {
  /** All of it where it has no more than was looked at, else null. */
  readonly seen: readonly T[] | null;
  /** The whole sequence from its beginning; to be read once. */
  readonly all: AsyncIterable<T>;
}

/** Reads up to `max` elements ahead. Throws what the sequence throws there. */
export async function lookAhead<T>(source: AsyncGenerator<T>, max: number): Promise<Ahead<T>> {
  const seen: T[] = [];
  for (;;) {
    const next = await source.next();
    if (next.done) return { seen, all: from(seen) };
    seen.push(next.value);
    if (seen.length > max) return { seen: null, all: from(seen, source) };
  }
}

async function* from<T>(seen: readonly T[], rest?: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* seen;
    if (rest !== undefined) yield* rest;
  } finally {
    // Also where the reader stops early, or git would go on walking.
    await rest?.return(undefined);
  }
}
