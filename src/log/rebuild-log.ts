import path from 'node:path';
import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { syncHistory } from '../git/sync-history.js';
import { DISK, type LogFileSystem, syncEntry, unless, writeWhole } from '../process/durable-file.js';
import { GROUP_MODES } from '../process/group-files.js';
import { formatLogLine, logRecordSchema, parseLogLine } from '../protocol/log-record.js';
import type { IngestOptions } from './ingest.js';
import { type LogFile, listLogFiles, readLines, withLogFiles } from './log-files.js';
import { notWritable } from './log-folder.js';
import { walkAnswers, walkMainSince } from './walk-answers.js';
import { withLog } from './with-log.js';

/** The result of a rebuild. */
export interface RebuildResult {
  /** How many records the log has now. */
  readonly records: number;
  /** How many of them kept the time at which they were first written. */
  readonly keptTimes: number;
  /** Where the files of the old log are now; absolute paths. */
  readonly aside: readonly string[];
}

/** How a rebuild is done. */
export interface RebuildOptions extends Pick<IngestOptions, 'now' | 'fs'> {
  /** What the files that are set aside have at the end of their names. Default: `.old-` and the time. */
  readonly asideEnding?: string;
}

/**
 * Writes the whole `answers.log` again from history, and sets the old log aside, rotated files included.
 * History does not know `ingested_at`, so it is taken from the old records that can still be read.
 *
 * 1. Write the new log beside the old one, and sync it. A crash here leaves `answers.log.new`,
 *    which the next rebuild overwrites.
 * 2. Give the old log a second name. A crash here changes nothing.
 * 3. Move the new log into its place: from here on the log is complete.
 * 4. Move the rotated files aside. A crash here leaves some of them, whose records the new log has
 *    too; another rebuild moves them.
 */
export async function rebuildLog(
  repo: Repository,
  { now, fs = DISK, asideEnding }: RebuildOptions,
): Promise<RebuildResult> {
  return withLog(repo, { fs }, async (logPath) => {
    const times = await withLogFiles(fs, logPath, (files) => readTimes(fs, files));
    const draft = await writeDraft(repo, logPath, times, { now, fs });
    const time = new Date(now()).toISOString().replace(/[:.]/g, '-');
    const asideOf = async (file: string) => {
      if (asideEnding === undefined) return `${file}.old-${time}`;
      // An earlier rebuild that was killed may have left a file there. It stays.
      const name = `${file}${asideEnding}`;
      return (await fs.stat(name).catch(unless('ENOENT'))) === null ? name : `${name}-${time}`;
    };
    const aside: string[] = [];
    const second = await asideOf(logPath);
    const linked = await fs.link(logPath, second).then(() => true, unless('ENOENT'));
    if (linked) aside.push(second);
    await fs.rename(draft.path, logPath);
    for (const file of await listLogFiles(fs, logPath)) {
      // A rotation at this moment may have given the new log such a name.
      if (file.isCurrent || file.inode === draft.inode) continue;
      const name = await asideOf(file.path);
      await fs.rename(file.path, name);
      aside.push(name);
    }
    await syncEntry(fs, logPath);
    return { records: draft.records, keptTimes: draft.keptTimes, aside };
  });
}

async function writeDraft(
  repo: Repository,
  logPath: string,
  times: ReadonlyMap<string, number>,
  { now, fs }: Required<Pick<IngestOptions, 'now' | 'fs'>>,
): Promise<{ path: string; inode: number; records: number; keptTimes: number }> {
  const draftPath = path.join(path.dirname(logPath), `${path.basename(logPath)}.new`);
  const old = await fs.stat(logPath).catch(unless('ENOENT', 'ENOTDIR', 'EACCES'));
  const draft = await fs.open(draftPath, 'w', GROUP_MODES.file).catch(notWritable(draftPath));
  const reader = openObjectReader(repo);
  try {
    await draft.chmod(old === null ? GROUP_MODES.file : old.mode & 0o777);
    await syncHistory(fs, repo);
    let records = 0;
    let keptTimes = 0;
    for await (const { commit, answer, task } of walkAnswers(repo, reader, walkMainSince(repo, null))) {
      const kept = times.get(commit.id);
      const position = { seq: records + 1, commit: commit.id, ingestedAtMs: kept ?? now() };
      await writeWhole(draft, Buffer.from(formatLogLine(answer, task, position), 'utf8'));
      records += 1;
      if (kept !== undefined) keptTimes += 1;
    }
    await draft.sync();
    const { ino: inode } = await draft.stat();
    return { path: draftPath, inode, records, keptTimes };
  } finally {
    reader.close();
    await draft.close();
  }
}

const timeSchema = logRecordSchema.pick({ commit: true, ingested_at: true });

/** Commit → milliseconds, from every readable line: about 100 bytes of memory per record. */
async function readTimes(fs: LogFileSystem, files: readonly LogFile[]): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for (const file of files) {
    try {
      for await (const line of readLines(fs, file)) {
        const read = parseLogLine(timeSchema, line);
        if (read === null) continue;
        const { commit, ingested_at } = read;
        const atMs = Date.parse(ingested_at);
        // Where a record is in the log twice, the earlier time is when it was added.
        times.set(commit, Math.min(atMs, times.get(commit) ?? atMs));
      }
    } catch (error) {
      // A damaged compressed file still gives the lines before the damage. A failing disk is another matter.
      if ((error as { code?: unknown }).code !== 'bad-log') throw error;
    }
  }
  return times;
}
