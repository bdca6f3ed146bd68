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
 * where nobody can be asked to end, all of it is killed at once.
 */
export async function endProgram(child: ChildProcess, graceMs = GRACE_MS): Promise<void> {
  if (hasEnded(child)) return;
  const exit = once(child, 'exit');
  signalGroup(child, 'SIGTERM');
  // A stopped process gets the signal only once it goes on.
  signalGroup(child, 'SIGCONT');
  const killing = setTimeout(() => killGroup(child), graceMs);
  await exit;
  killing.unref();
}

/** Kills what is left of the process group of a program. */
export function killGroup(child: ChildProcess): void {
  signalGroup(child, 'SIGKILL');
}

/** Whether it could not be started, or has ended. */
export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function signalGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGCONT' | 'SIGKILL'): void {
  if (child.pid === undefined) return;
  if (!HAS_GROUPS) {
    const taskkill = ['taskkill', '/pid', String(child.pid), '/t', '/f'] as const;
    if (signal !== 'SIGCONT') spawnProgram(taskkill, 'ignore', { env: process.env }).on('error', () => {});
    return;
  }
  try {
    // biome-ignore lint/plugin: HAS_GROUPS is true here
    process.kill(-child.pid, signal);
  } catch {
    // All of it has ended.
  }
}
