import { open, readFile, readlink } from 'node:fs/promises';
import { listProcesses } from '../../src/process/process-table.js';

/** Linux counts processor time in these; it is 100 a second everywhere since 2.6. */
const TICKS_PER_SECOND = 100;

/** What some processes have used so far, and what they hold now. */
export interface Usage {
  /** Processor time by process id, that of ended children included. Seconds. */
  readonly cpuSeconds: ReadonlyMap<number, number>;
  /** Resident memory of all of them, pages that they share counted in full. */
  readonly megabytes: number;
  /** Each with its own megabytes, in the order of the ids. */
  readonly names: string;
}

/** The ids of a process and of all that it started, itself first. */
export async function treeOf(root: number): Promise<number[]> {
  const table = await listProcesses();
  const found = [root];
  for (let at = 0; at < found.length; at += 1) {
    found.push(...table.filter((entry) => entry.ppid === found[at]).map((entry) => entry.pid));
  }
  return found;
}

/** Those that are no sshd. */
export async function withoutSshd(pids: readonly number[]): Promise<number[]> {
  const kept: number[] = [];
  for (const pid of pids) if (!(await programOf(pid)).startsWith('sshd')) kept.push(pid);
  return kept;
}

/** The name of the program of a process; empty where it has ended. */
export async function programOf(pid: number): Promise<string> {
  const file = await readlink(`/proc/${pid}/exe`).catch(() => '');
  return file.split('/').at(-1) ?? '';
}

/** The words a process was started with, a NUL behind each; empty where it has ended. */
export function commandLineOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
}

/** Reads it from `/proc`; a process that has ended meanwhile counts nothing. */
export async function usageOf(pids: readonly number[]): Promise<Usage> {
  const cpuSeconds = new Map<number, number>();
  let kilobytes = 0;
  const names: string[] = [];
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
    const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
    // proc(5): utime, stime, cutime and cstime are fields 14 to 17; the second may hold spaces.
    const times = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 15);
    cpuSeconds.set(pid, times.reduce((sum, field) => sum + Number(field), 0) / TICKS_PER_SECOND);
    const rss = Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(status)?.[1] ?? 0);
    kilobytes += rss;
    names.push(`${await programOf(pid)} ${(rss / 1000).toFixed(1)}`);
  }
  return { cpuSeconds, megabytes: kilobytes / 1000, names: names.join(', ') };
}

const PAGE_BYTES = 4096;

/**
 * The resident memory of some processes, a page that several of them have counted once: megabytes. Linux
 * tells which page is where only to root; null for anybody else.
 */
export async function megabytesOnce(pids: readonly number[]): Promise<number | null> {
  if (process.getuid?.() !== 0) return null;
  const frames = new Set<bigint>();
  for (const pid of pids) {
    const maps = await readFile(`/proc/${pid}/maps`, 'latin1').catch(() => '');
    const pagemap = await open(`/proc/${pid}/pagemap`).catch(() => null);
    for (const [, from = '', to = ''] of maps.matchAll(/^([0-9a-f]{1,12})-([0-9a-f]{1,12}) /gm)) {
      const first = Number.parseInt(from, 16) / PAGE_BYTES;
      const entries = Buffer.alloc((Number.parseInt(to, 16) / PAGE_BYTES - first) * 8);
      await pagemap?.read(entries, 0, entries.length, first * 8);
      for (let at = 0; at < entries.length; at += 8) {
        const entry = entries.readBigUInt64LE(at);
        // Bit 63: the page is in memory. Bits 0 to 54: which one it is.
        if (entry >> 63n === 1n) frames.add(entry & ((1n << 55n) - 1n));
      }
    }
    await pagemap?.close();
  }
  return (frames.size * PAGE_BYTES) / 1e6;
}
