import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { readBridgeSettings } from '../git/bridge-settings.js';
import { withFileLock } from '../git/file-lock.js';
import { openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { resolveRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { readAnswer } from '../protocol/answer.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { formatLogLine } from '../protocol/log-record.js';
import { MAIN_REF } from '../protocol/names.js';
import { readLogTail } from './log-tail.js';

/** What an ingest did. */
export interface IngestResult {
  /** How many records it wrote. */
  readonly added: number;
  /** The number of the newest record, written now or before; 0 in an empty log. */
  readonly lastSeq: number;
  /** How many bytes of a torn last line were cut off and kept in `answers.log.torn`. */
  readonly repairedBytes: number;
}

/**
 * Brings `answers.log` up to `main`: one line for each commit that answers, in history's order. The log alone says where
 * to go on, so running it again adds nothing, and whoever runs it next finishes what a killed run began. Throws
 * BridgeError `bad-log`, `log-not-of-history`, `no-log-file`, `locked`, or what git or the disk failed with.
 */
export async function ingest(repo: Repository, at: { readonly now: () => number }): Promise<IngestResult> {
  const settings = await readBridgeSettings(repo);
  const folder = path.join(repo.gitDir, 'bridge');
  await mkdir(folder, { recursive: true });
  return withFileLock(path.join(folder, 'ingest.lock'), async () => {
    const isNew = (await stat(settings.answersLog).catch(() => null)) === null;
    const log = await open(settings.answersLog, 'a+', 0o640).catch((cause: NodeJS.ErrnoException) => {
      throw new BridgeError(`cannot write to ${settings.answersLog} (${cause.code ?? cause.message})`, {
        code: 'no-log-file',
        remedy:
          'see that its folder exists and that the owner of the bridge may write there (bridge.answersLog)',
        cause,
      });
    });
    try {
      // Whatever the umask: the group may read the log, also one that logrotate or its owner moved away before.
      if (isNew) await log.chmod(0o640);
      return await catchUp(repo, log, settings.answersLog, at.now);
    } finally {
      await log.close();
    }
  });
}

async function catchUp(
  repo: Repository,
  log: FileHandle,
  logPath: string,
  now: () => number,
): Promise<IngestResult> {
  const tail = await readLogTail(log);
  if (tail.torn.length > 0) await cutTornLine(log, logPath, tail.endOfLines, tail.torn);

  const commits = await readNewCommits(repo, tail.last?.commit ?? null);
  const reader = openObjectReader(repo);
  let seq = tail.last?.seq ?? 0;
  let added = 0;
  try {
    for (const commit of commits) {
      const message = messageOf(commit);
      if (message.kind !== 'answer') continue;
      const blob = await reader.read(message.change.newId);
      // The size was judged when it came in; a limit lowered since does not take an answer out of the record.
      const read = blob === null ? null : readAnswer(blob.content, Number.POSITIVE_INFINITY);
      // Only a history made without our hook has such a commit. It is no answer, so it has no line and no number.
      if (!read?.ok) continue;
      seq += 1;
      added += 1;
      const line = formatLogLine(read.value, { seq, commit: commit.id, ingestedAtMs: now() });
      await log.appendFile(line, 'utf8');
    }
  } finally {
    reader.close();
  }
  if (added > 0) await log.sync();
  return { added, lastSeq: seq, repairedBytes: tail.torn.length };
}

async function readNewCommits(repo: Repository, last: string | null): Promise<HistoryCommit[]> {
  if (last === null) return readHistory(repo, { from: [MAIN_REF] });
  const commits = await readHistory(repo, { from: [MAIN_REF], not: [last] }).catch((cause: unknown) => {
    throw notOfHistory(last, cause);
  });
  // A commit that exists but is not on main (main was set back by hand, the log is a copy's) can be walked from as well;
  // going on behind it would number other answers than history does.
  const [first] = commits;
  const before = first === undefined ? await resolveRef(repo, MAIN_REF) : (first.parents[0] ?? null);
  if (before !== last) throw notOfHistory(last);
  return commits;
}

function notOfHistory(last: string, cause?: unknown): BridgeError {
  return new BridgeError(`answers.log ends with commit ${last}, which is not in the history of main`, {
    code: 'log-not-of-history',
    remedy:
      'if the log is not of this bridge, move it away and run "llm-bridge ingest"; else look at "git fsck"',
    cause,
  });
}

/** Keeps the torn bytes aside, then cuts them off: a crash in between keeps them twice and loses nothing. */
async function cutTornLine(log: FileHandle, logPath: string, end: number, torn: Buffer): Promise<void> {
  const aside = await open(`${logPath}.torn`, 'a', 0o640);
  try {
    await aside.appendFile(Buffer.concat([torn, Buffer.from('\n')]));
    await aside.sync();
  } finally {
    await aside.close();
  }
  await log.truncate(end);
}
