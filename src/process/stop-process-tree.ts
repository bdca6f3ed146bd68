import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasEnded } from './end-program.js';
import { listProcesses, type ProcessEntry } from './process-table.js';

/**
 * How long processes get to end by themselves after SIGTERM. Enough for git to remove its temporary files.
 */
const DEFAULT_GRACE_MS = 1000;

/** No event tells of the end of a process that is not our child, so we look this often. Milliseconds. */
const LOOK_EVERY_MS = 20;

/**
 * Ends a child of ours and everything it has started, whatever sessions and process groups they made for
 * themselves (an sshd gives one to each connection), and resolves when all of them are gone: SIGTERM, and
 * SIGKILL after `graceMs`. A process that has already left the tree (its parent ended before) is not found.
 * Does nothing where the child has ended: its id may be a stranger's by now. POSIX only.
 */
export async function stopProcessTree(root: ChildProcess, graceMs = DEFAULT_GRACE_MS): Promise<void> {
  if (root.pid === undefined || hasEnded(root)) return;
  const known = await freezeTree(root.pid);
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

/**
 * Stops every process of the tree before any is ended: one that ends first would orphan its children out of
 * sight.
 */
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
    // It has ended meanwhile, as it should.
  }
}
