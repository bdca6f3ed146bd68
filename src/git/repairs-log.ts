import { rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { readSmallFile, unless } from '../process/durable-file.js';
import { openGroupFile } from '../process/group-files.js';

/** An automatic repair of a bridge. */
export interface Repair {
  /** ISO 8601. */
  readonly at: string;
  /** A sentence: `removed refs/heads/main.lock, left by a killed git since …`. */
  readonly text: string;
}

/** Some hundred lines. Older ones are kept in one more file. Bytes. */
const MAX_BYTES = 64 * 1024;

/** The log of repairs, one line each: the time, a blank, the sentence. `status` shows the newest lines. */
function repairsLog(gitDir: string): string {
  return path.join(gitDir, 'bridge', 'repairs.log');
}

/** Logs repairs. Never throws: a repair is done, whether or not it could be logged. */
export async function logRepairs(gitDir: string, texts: readonly string[], nowMs: number): Promise<void> {
  if (texts.length === 0) return;
  const file = repairsLog(gitDir);
  try {
    const before = await stat(file).catch(unless('ENOENT'));
    if (before !== null && before.size > MAX_BYTES) await rename(file, `${file}.1`);
    const at = new Date(nowMs).toISOString();
    const log = await openGroupFile(file, 'a');
    try {
      await log.appendFile(texts.map((text) => `${at} ${text.replace(/\n/g, ' ')}\n`).join(''));
    } finally {
      await log.close();
    }
  } catch {
    // A full disk, for example.
  }
}

/** The repairs since then, the oldest first. */
export function readRepairs(gitDir: string, sinceMs: number): Repair[] {
  const lines = (readSmallFile(repairsLog(gitDir)) ?? '').split('\n');
  return lines.flatMap((line) => {
    const [, at = '', text = ''] = /^(\d{4}-\S+Z) (.+)$/.exec(line) ?? [];
    return Date.parse(at) >= sinceMs ? [{ at, text }] : [];
  });
}
