import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { HAS_GROUPS, spawnProgram } from './start-program.js';

/**
 * A program that still runs this long after SIGTERM is killed. Git needs less to remove its temporary files.
 * Milliseconds.
 */
const GRACE_MS = 2_000;

/**
 * Ends a program that has a process group of its own, with the whole group: SIGTERM at once, SIGKILL after
 * `graceMs`. Resolves when the program itself has ended; the rest of its group may take as long as that,
 * while this process lives. Does nothing to a program that has ended, and may be called twice. On Windows,
 * where no program can be asked to end, all of it is killed at once.
 */
export async function endProgram(child: ChildProcess, graceMs = GRACE_MS): Promise<void> {
  if (hasEnded(child)) return;
  const exit = once(child, 'exit');
  signalGroup(child, 'SIGTERM');
  // A stopped process gets the signal only once it goes on.
  signalGroup(child, 'SIGCONT');
  const killing = setTimeout(() => killGroup(child), graceMs);
  await exit;
  if (signalGroup(child, 0)) killing.unref();
  else clearTimeout(killing);
}

/** Kills what is left of the process group of a program. */
export function killGroup(child: ChildProcess): void {
  signalGroup(child, 'SIGKILL');
}

/** Whether it could not be started, or has ended. */
export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** Returns whether the signal reached a process of its group; 0 only looks for one. */
function signalGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGCONT' | 'SIGKILL' | 0): boolean {
  const { pid } = child;
  if (pid === undefined || (hasEnded(child) && (!HAS_GROUPS || isTaken(pid)))) return false;
  if (!HAS_GROUPS) {
    const taskkill = ['taskkill', '/pid', String(pid), '/t', '/f'] as const;
    if (signal !== 'SIGCONT') spawnProgram(taskkill, 'ignore', { env: process.env }).on('error', () => {});
    return true;
  }
  try {
    // biome-ignore lint/plugin: HAS_GROUPS is true here
    process.kill(-pid, signal);
    return true;
  } catch {
    // All of it has ended.
    return false;
  }
}

/**
 * Whether a process has the id of a program that has ended. No process gets the id of a group that still has
 * one, so this one is a stranger, and so is the group that it may have made.
 */
function isTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
