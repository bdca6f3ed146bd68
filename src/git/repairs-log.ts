import { rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { readSmallFile, unless } from '../process/durable-file.js';
import { openGroupFile } from '../process/group-files.js';

/** What was put right in a bridge without anybody having been asked. */
export interface Repair {
  /** ISO 8601. */
  readonly at: string;
  /** A sentence: `removed refs/heads/main.lock, left by a killed git since …`. */
  readonly text: string;
}

/** Some hundred lines; what is older is kept once more under another name. Bytes. */
const MAX_BYTES = 64 * 1024;

/** Where it is told, a line each: the time, a blank, what was done. `status` shows the newest of it. */
export function repairsLog(gitDir: string): string {
  return path.join(gitDir, 'bridge', 'repairs.log');
}

/** Tells what was done. Never throws: what is put right is right, whether or not it could be told. */
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
    // A full disk, say.
  }
}

/** What was done since then, the oldest first. */
export function readRepairs(gitDir: string, sinceMs: number): Repair[] {
  const lines = (readSmallFile(repairsLog(gitDir)) ?? '').split('\n');
  return lines.flatMap((line) => {
    const [, at = '', text = ''] = /^(\d{4}-\S+Z) (.+)$/.exec(line) ?? [];
    return Date.parse(at) >= sinceMs ? [{ at, text }] : [];
  });
}
