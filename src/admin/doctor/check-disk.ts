import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { shellQuote } from '../../process/shell-quote.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** The limits below which free space is a warning, and below which it is broken. Bytes. */
export interface DiskThresholds {
  readonly warnBytes: number;
  readonly brokenBytes: number;
}

/**
 * 1 GiB is a year of a busy bridge. Below 64 MiB the largest push (32 MiB) no longer fits, because the
 * quarantine doubles it.
 */
export const DEFAULT_DISK_THRESHOLDS: DiskThresholds = { warnBytes: 1024 ** 3, brokenBytes: 64 * 1024 ** 2 };

/** Fewer free inodes than this are as bad as a full disk. */
const FEW_FILES = 1000;

/** Checks the free space for a folder; for one that does not exist yet, at the folder it will be made in. */
export async function checkDisk(folder: string, thresholds: DiskThresholds): Promise<Verdict> {
  const there = await nearest(folder);
  const { bavail, bsize, ffree, files } = await statfs(there);
  const free = bavail * bsize;
  const remedy = `free some: du -xh ${shellQuote(there)} | sort -h | tail`;
  const text = `${formatBytes(free)} free for ${folder}`;
  if (free < thresholds.brokenBytes) return broken(`only ${text}`, remedy);
  // Some file systems (btrfs) do not count inodes at all.
  if (files > 0 && ffree < FEW_FILES)
    return broken(`only ${ffree} more files can be made for ${folder}`, remedy);
  return free < thresholds.warnBytes ? warning(`only ${text}`, remedy) : ok(text);
}

async function nearest(folder: string): Promise<string> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const isThere = await statfs(at).then(
      () => true,
      () => false,
    );
    if (isThere || at === path.dirname(at)) return at;
  }
}

function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${amount < 10 && unit > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[unit]}`;
}
