import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** How long processes get to end by themselves after SIGTERM. Enough for git to remove its temporary files. */
const DEFAULT_GRACE_MS = 1000;

/** No event tells when a process ends that is not one's own child, so it is looked at this often. */
const LOOK_EVERY_MS = 20;

/**
 * Ends the process `rootPid` and everything it has started, whatever sessions and process groups they made for
 * themselves, and resolves when all of them are gone: SIGTERM, and SIGKILL after `graceMs`. A process that has already
 * left the tree (its parent ended before) is not found. POSIX only.
 */
export async function stopProcessTree(rootPid: number, graceMs = DEFAULT_GRACE_MS): Promise<void> {
  const known = await freezeTree(rootPid);
  for (const entry of known) send(entry, 'SIGTERM');
  for (const entry of known) send(entry, 'SIGCONT');
  const killAt = performance.now() + graceMs;
  for (;;) {
    const table = await listProcesses();
    known.push(...childrenOf(known, table));
    const alive = known.filter((entry) => table.some((other) => isSame(entry, other)));
    if (alive.length === 0) return;
    if (performance.now() >= killAt) for (const entry of alive) send(entry, 'SIGKILL');
    await sleep(LOOK_EVERY_MS);
  }
}

/** Stops every process of the tree before any is ended: one that ends first would orphan its children out of sight. */
async function freezeTree(rootPid: number): Promise<ProcessEntry[]> {
  const known = (await listProcesses()).filter((entry) => entry.pid === rootPid);
  let found = [...known];
  while (found.length > 0) {
    for (const entry of found) send(entry, 'SIGSTOP');
    found = childrenOf(known, await listProcesses());
    known.push(...found);
  }
  return known;
}

function childrenOf(known: readonly ProcessEntry[], table: readonly ProcessEntry[]): ProcessEntry[] {
  const living = known.filter((entry) => table.some((other) => isSame(entry, other)));
  return table.filter(
    (entry) =>
      living.some((parent) => parent.pid === entry.ppid) && !known.some((other) => isSame(entry, other)),
  );
}

function isSame(one: ProcessEntry, other: ProcessEntry): boolean {
  return one.pid === other.pid && one.startedAt === other.startedAt;
}

function send(entry: ProcessEntry, signal: NodeJS.Signals): void {
  try {
    process.kill(entry.pid, signal);
  } catch {
    // It has ended meanwhile, which is what is wanted of it.
  }
}

/** One running process. `pid` and `startedAt` together name it for good; a pid alone is given out again. */
export interface ProcessEntry {
  readonly pid: number;
  readonly ppid: number;
  /** When it started, in whatever unit the system has; to be compared only. */
  readonly startedAt: string;
}

/**
 * Every running process of this machine, without those that have ended and only wait to be collected. From `/proc` where
 * there is one, because a small machine has no `ps`; else from `ps`.
 */
export async function listProcesses(): Promise<ProcessEntry[]> {
  return process.platform === 'linux' ? fromProc() : fromPs();
}

async function fromProc(): Promise<ProcessEntry[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const entries = await Promise.all(pids.map(readStat));
  return entries.filter((entry) => entry !== null);
}

async function readStat(pid: string): Promise<ProcessEntry | null> {
  // It may end between the listing and the reading.
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  if (stat === null) return null;
  // The name in parentheses may hold spaces and parentheses itself, so the fields are counted from behind the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // proc(5): state is field 3, ppid 4, starttime 22.
  const [state, ppid, startedAt] = [fields[0], fields[1], fields[19]];
  if (state === undefined || ppid === undefined || startedAt === undefined || isOver(state)) return null;
  return { pid: Number(pid), ppid: Number(ppid), startedAt };
}

async function fromPs(): Promise<ProcessEntry[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,state=,lstart='], {
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout.split('\n').flatMap((line) => {
    const [pid, ppid, state, ...startedAt] = line.trim().split(/\s+/);
    if (pid === undefined || ppid === undefined || state === undefined || isOver(state)) return [];
    return [{ pid: Number(pid), ppid: Number(ppid), startedAt: startedAt.join(' ') }];
  });
}

function isOver(state: string): boolean {
  return state.startsWith('Z') || state.startsWith('X');
}
