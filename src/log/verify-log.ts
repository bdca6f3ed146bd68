import { isDeepStrictEqual } from 'node:util';
import { type BridgeSettings, readBridgeSettings } from '../bridge/bridge-settings.js';
import { openObjectReader } from '../git/object-reader.js';
import { walkHistory } from '../git/read-history.js';
import { resolveRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { DISK } from '../process/durable-file.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { formatLogLine, type LogRecord, logRecordSchema, parseLogLine } from '../protocol/log-record.js';
import { MAIN_REF } from '../protocol/names.js';
import { auditHistory, type HistoryFault } from './audit-history.js';
import { type LogFile, readLines, withLogFiles } from './log-files.js';
import type { LoggedPosition } from './log-tail.js';
import { sortByFirstRecord } from './rotated-logs.js';

/**
 * What differs. `seq` and `commit` are those of history where it has such an answer, else those of
 * the log; null where neither has one.
 */
export interface Difference {
  readonly kind:
    | 'not-logged'
    | 'missing'
    | 'repeated'
    | 'not-in-history'
    | 'changed'
    | 'no-record'
    | 'history';
  readonly seq: number | null;
  readonly commit: string | null;
  /** The file of the log, and the number of the line in it; null where the fault is in history itself. */
  readonly file: string | null;
  readonly line: number | null;
  /** For a person: what differs. */
  readonly what: string;
}

/** What `verify` reports. Its JSON form is a contract. */
export interface VerifyResult {
  readonly ok: boolean;
  readonly difference: Difference | null;
  /** How many answers main has, and how many records of the log were compared with them and agree. */
  readonly answers: number;
  readonly records: number;
  /**
   * The number of the first record that is still there; more than 1 where the oldest files were rotated
   * out. Null where there is no record.
   */
  readonly first_seq: number | null;
  /** The files of the log, the oldest first. */
  readonly files: readonly string[];
}

/**
 * Compares the log, rotated files included, with history, record by record. Also checks history itself: what
 * each answer says about its task must be true. Stops at the first difference. Only reads, and takes no
 * lock: what comes in meanwhile is not checked.
 */
export async function verifyLog(repo: Repository): Promise<VerifyResult> {
  const { answersLog } = await readBridgeSettings(repo);
  return withLogFiles(DISK, answersLog, (files) => compare(repo, answersLog, files));
}

async function compare(
  repo: Repository,
  logPath: BridgeSettings['answersLog'],
  there: readonly LogFile[],
): Promise<VerifyResult> {
  // The tip is read after the files: the commit of every record was on main before the record was written.
  const tip = await resolveRef(repo, MAIN_REF);
  if (tip === null) throw noMain(repo);
  const files = await sortByFirstRecord(DISK, there);
  const log = readEntries(files);
  const reader = openObjectReader(repo);
  let answers = 0;
  let records = 0;
  let firstSeq: number | null = null;
  const end = (difference: Difference | null): VerifyResult => ({
    ...{ ok: difference === null, difference, answers, records, first_seq: firstSeq },
    files: files.map((file) => file.path),
  });
  try {
    let next = await log.next();
    if (!next.done && 'record' in next.value) firstSeq = next.value.record.seq;
    const wasRotated = files.some((file) => !file.isCurrent);
    for await (const found of auditHistory(repo, reader, walkHistory(repo, { from: [tip] }))) {
      if ('fault' in found) return end(inHistory(found));
      const { commit, answer, task } = found;
      answers += 1;
      // Only where files were rotated can the oldest ones have been removed on purpose.
      if (wasRotated && firstSeq !== null && answers < firstSeq) continue;
      const at = { seq: answers, commit: commit.id };
      if (next.done) return end(notThere(at, logPath));
      const entry = next.value;
      const expected = (ingestedAtMs: number) =>
        JSON.parse(formatLogLine(answer, task, { ...at, ingestedAtMs })) as LogRecord;
      const difference = compareOne(entry, at, expected);
      if (difference !== null) return end(difference);
      records += 1;
      next = await log.next();
    }
    if (!next.done) return end(tooMuch(next.value));
    return end(null);
  } finally {
    reader.close();
    await log.return(undefined);
  }
}

interface LineOfLog {
  readonly file: string;
  readonly line: number;
}
type Entry = LineOfLog & ({ readonly record: LogRecord } | { readonly fault: string });

async function* readEntries(files: readonly LogFile[]): AsyncGenerator<Entry, undefined> {
  for (const file of files) {
    let line = 0;
    for await (const text of readLines(DISK, file)) {
      line += 1;
      const where = { file: file.path, line };
      const record = parseLogLine(logRecordSchema, text);
      yield record === null ? { ...where, fault: 'the line is not a record' } : { ...where, record };
    }
  }
  return undefined;
}

function compareOne(
  entry: Entry,
  at: LoggedPosition,
  expected: (ingestedAtMs: number) => LogRecord,
): Difference | null {
  const where = { file: entry.file, line: entry.line };
  if ('fault' in entry) return { kind: 'no-record', ...at, ...where, what: entry.fault };
  const { record } = entry;
  if (record.seq > at.seq)
    return { kind: 'missing', ...at, ...where, what: `the log goes on with no. ${record.seq} here` };
  if (record.seq < at.seq)
    return {
      kind: 'repeated',
      seq: record.seq,
      commit: record.commit,
      ...where,
      what: 'the log has it before',
    };
  const wanted = expected(Date.parse(record.ingested_at));
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(record)])];
  const field = names.find((name) => !isDeepStrictEqual(wanted[name], record[name]));
  if (field === undefined) return null;
  return { kind: 'changed', ...at, ...where, what: `"${field}" is not what history says` };
}

function notThere(at: LoggedPosition, logPath: string): Difference {
  const what = 'the answer is on main and not in the log';
  return { kind: 'not-logged', ...at, file: logPath, line: null, what };
}

function tooMuch(entry: Entry): Difference {
  const where = { file: entry.file, line: entry.line };
  if ('fault' in entry) return { kind: 'no-record', seq: null, commit: null, ...where, what: entry.fault };
  const { seq, commit } = entry.record;
  return { kind: 'not-in-history', seq, commit, ...where, what: 'main has no such answer' };
}

function inHistory({ commit, fault }: HistoryFault): Difference {
  return { kind: 'history', seq: null, commit, file: null, line: null, what: fault };
}

function noMain(repo: Repository): BridgeError {
  return new BridgeError(`${repo.gitDir} has no branch main`, {
    code: 'no-main',
    remedy: 'look at "git fsck" in the repository',
  });
}
