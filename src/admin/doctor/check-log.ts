import { stat } from 'node:fs/promises';
import { walkHistory } from '../../git/read-history.js';
import { type Repository, runGit } from '../../git/run-git.js';
import { type LogFile, readLines, withLogFiles } from '../../log/log-files.js';
import { findLogFolderFault } from '../../log/log-folder.js';
import type { LoggedPosition } from '../../log/log-tail.js';
import { sortByFirstRecord } from '../../log/rotated-logs.js';
import { DISK } from '../../process/durable-file.js';
import { shellQuote } from '../../process/shell-quote.js';
import { faultOf } from '../../process/trusted-folder.js';
import { messageOf } from '../../protocol/history.js';
import { logRecordSchema, parseLogLine } from '../../protocol/log-record.js';
import { MAIN_REF } from '../../protocol/names.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** Where the records end, and what is wrong before that. */
export interface LogScan {
  readonly last: LoggedPosition | null;
  readonly fault: string | null;
}

/**
 * Checks whether others could replace `answers.log`, whether the lines of all its files, rotated ones
 * included, are records in the right order, and whether the log is in step with history. `verify` checks the
 * content of each record.
 */
export async function checkLog(repo: Repository, logPath: string): Promise<Verdict[]> {
  const open = findLogFolderFault(logPath, repo.gitDir);
  if (open !== null) return [broken(open.message, open.remedy)];
  const foreign = await foreignLog(logPath, repo.gitDir);
  if (foreign !== null) return [foreign];
  const quoted = shellQuote(repo.gitDir);
  const ingest = `llm-bridge ingest --repo ${quoted}`;
  const { last, fault } = await withLogFiles(DISK, logPath, scanLog);
  if (fault !== null) return [broken(fault, `llm-bridge ingest --rebuild --repo ${quoted}`)];
  if (last !== null) {
    const onMain = await runGit(repo, ['merge-base', '--is-ancestor', last.commit, MAIN_REF]);
    if (onMain.exitCode !== 0) {
      return [
        broken(
          `the log ends with commit ${last.commit}, which is not on main: it is of another bridge, or history was rewritten`,
          `llm-bridge verify --repo ${quoted}`,
        ),
      ];
    }
  }
  let behind = 0;
  const range = { from: [MAIN_REF], ...(last === null ? {} : { not: [last.commit] }) };
  for await (const commit of walkHistory(repo, range)) if (messageOf(commit).kind === 'answer') behind += 1;
  const isThere = (await stat(logPath).catch(() => null)) !== null;
  if (behind > 0) {
    const what = isThere ? 'the log is behind history' : `${logPath} is missing`;
    return [warning(`${what}: ${behind === 1 ? 'an answer is' : `${behind} answers are`} not in it`, ingest)];
  }
  if (!isThere && last === null) return [warning(`${logPath} is missing`, ingest)];
  return [ok(`${last?.seq ?? 0} records, in step with history`)];
}

/** A log outside the bridge that others can write. checkModes checks everything inside the bridge. */
async function foreignLog(logPath: string, gitDir: string): Promise<Verdict | null> {
  const stats = await stat(logPath).catch(() => null);
  const fault = stats === null || logPath.startsWith(`${gitDir}/`) ? null : faultOf(stats);
  if (fault === null) return null;
  const remedy = `ls -l ${shellQuote(logPath)}; it has to be the owner's, of mode 0640`;
  return broken(`${logPath} ${fault}, so it may say what history does not`, remedy);
}

/** Reads all records of the log up to the first fault. */
export async function scanLog(files: readonly LogFile[]): Promise<LogScan> {
  let last: LogScan['last'] = null;
  for (const file of await sortByFirstRecord(DISK, files)) {
    let line = 0;
    for await (const text of readLines(DISK, file)) {
      line += 1;
      const record = parseLogLine(logRecordSchema, text);
      const where = `line ${line} of ${file.path}`;
      if (record === null) return { last, fault: `${where} is not a record` };
      if (last !== null && record.seq !== last.seq + 1)
        return { last, fault: `${where} has no. ${record.seq}, and ${last.seq + 1} should be there` };
      last = { seq: record.seq, commit: record.commit };
    }
  }
  return { last, fault: null };
}
