import type { FileHandle } from 'node:fs/promises';
import { treeOfCommit } from '../git/git-objects.js';
import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { syncHistory } from '../git/sync-history.js';
import { type LogFileSystem, syncEntry, writeWhole } from '../process/durable-file.js';
import { openGroupFile } from '../process/group-files.js';
import type { HistoryCommit } from '../protocol/history.js';
import { formatLogLine } from '../protocol/log-record.js';
import { noAnswerUpTo } from '../rules/keep-open-tasks.js';
import { notWritable } from './log-folder.js';
import { type LogTail, readLogTail } from './log-tail.js';
import { lastRotatedPosition } from './rotated-logs.js';
import { lookAhead, walkAnswers, walkMainSince } from './walk-answers.js';

/**
 * How many records are synced at a time. A failure takes back at most this many, and the next run writes
 * them again.
 */
const BATCH_RECORDS = 1000;

/**
 * Up to this many new commits, only the folders of their objects are synced; beyond that, all folders are.
 * A push brings one commit or a few.
 */
const MAX_NAMED_COMMITS = 64;

/** How many commits of main were walked, and the newest answer up to there. */
export interface Walk {
  count: number;
  lastAnswer: string | null;
}

/** What an append needs from its caller. */
interface AppendOptions {
  readonly now: () => number;
  readonly fs: LogFileSystem;
  /** What this append walks is added to it. */
  readonly walk: Walk;
  /** A reader that is already open. The caller closes it. */
  readonly reader: ObjectReader | undefined;
}

/** What an append did. */
interface Appended {
  /** The number of the newest record before it; 0 in an empty log. */
  readonly firstSeq: number;
  /** The number of the newest record after it. */
  readonly lastSeq: number;
  /** How many bytes of a torn last line were cut off and kept in `answers.log.torn`. */
  readonly repairedBytes: number;
}

/**
 * Appends to an open log the answers that `main` has and the log lacks:
 * 1. Find the end of the log, and cut off a torn line there.
 * 2. Find where to continue: after the last record; in an empty log, after the newest record of the rotated
 *    files; without any, at the start of history.
 * 3. Sync the objects of the new commits of `main`: a record must never outlive its commit.
 * 4. Append the records, with one write each. The file may be renamed meanwhile: it is
 *    still the log, under another name.
 * 5. Sync the file and its name. After a failure before that, the new lines are cut off again, because a
 *    line that may be lost must not count as written.
 *
 * Throws BridgeError `bad-log`, `log-not-of-history`, or the failure of git or the disk.
 */
export async function appendAnswers(
  repo: Repository,
  log: FileHandle,
  logPath: string,
  { now, fs, walk, reader: given }: AppendOptions,
): Promise<Appended> {
  const tail = await readLogTail(log, logPath);
  if (tail.torn.length > 0) await cutTornLine(fs, log, logPath, tail);
  const last = tail.last ?? (await lastRotatedPosition(fs, logPath));

  const firstSeq = last?.seq ?? 0;
  let seq = firstSeq;
  let safeBytes = tail.endOfLines;
  let bytes = safeBytes;
  const reader = given ?? openObjectReader(repo);
  try {
    walk.lastAnswer = last?.commit ?? null;
    const from = await noAnswerUpTo(repo, walk.lastAnswer);
    const commits = walkMainSince(repo, walk.lastAnswer, from);
    const ahead = await lookAhead(counted(commits, walk), MAX_NAMED_COMMITS);
    for await (const { commit, answer, task } of walkAnswers(repo, reader, ahead.all)) {
      // Everything up to the last record was synced before that record was written.
      if (seq === firstSeq)
        await syncHistory(fs, repo, ahead.seen === null ? undefined : await objectsOf(reader, ahead.seen));
      const line = formatLogLine(answer, task, { seq: seq + 1, commit: commit.id, ingestedAtMs: now() });
      const buffer = Buffer.from(line, 'utf8');
      await writeWhole(log, buffer);
      seq += 1;
      walk.lastAnswer = commit.id;
      bytes += buffer.length;
      if ((seq - firstSeq) % BATCH_RECORDS === 0) {
        await log.sync();
        safeBytes = bytes;
      }
    }
    // Done even where nothing was added: what a killed run left in the file counts as written from now on.
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

async function* counted(
  commits: AsyncGenerator<HistoryCommit>,
  walk: Walk,
): AsyncGenerator<HistoryCommit, void, undefined> {
  for await (const commit of commits) {
    walk.count += 1;
    yield commit;
  }
}

async function takeBack(log: FileHandle, safeBytes: number): Promise<void> {
  // Never makes the file longer: somebody may have emptied it.
  if ((await log.stat()).size > safeBytes) await log.truncate(safeBytes);
}

/**
 * Copies the torn bytes to another file, then cuts them off. A crash between the two
 * keeps them twice and loses nothing.
 */
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

/** The ids of what these commits brought: the commits, their trees, and the files they set. */
async function objectsOf(reader: ObjectReader, commits: readonly HistoryCommit[]): Promise<string[]> {
  const ids: string[] = [];
  for (const commit of commits) {
    const object = await reader.read(commit.id);
    const tree = object === null ? null : treeOfCommit(object.content);
    ids.push(commit.id, ...(tree === null ? [] : [tree]), ...commit.changes.map((change) => change.newId));
  }
  return ids;
}
