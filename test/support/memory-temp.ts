import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning } from '../../src/process/is-running.js';

/** Where Linux has a file system in memory. */
const MEMORY = '/dev/shm';

/** The folder of a run is called by this and the pid of vitest, so that what a killed run left is known. */
const PREFIX = 'llmb-';

/**
 * What has to be free: the tests that run at once have never had 2 GiB, and programs need memory as well.
 */
const FREE_BYTES = 4 * 1024 ** 3;

/**
 * Has the tests keep their temporary files in memory, where there is room: each push writes every object
 * through to the disk (`core.fsync=all`), which is half of what such a test waits for, and with the journal
 * of the disk a fifth of its processor time. What it writes, and in which order, is the same; no test cuts
 * the power. `TMPDIR` of whoever runs the tests is kept, so `TMPDIR=/tmp npm test` is a run on the disk.
 * Returns what removes the folder.
 */
export function useMemoryForTemp(): () => void {
  if (process.platform !== 'linux' || process.env.TMPDIR !== undefined || !hasRoom()) return () => {};
  removeLeftOvers();
  const folder = mkdtempSync(join(MEMORY, `${PREFIX}${process.pid}-`));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // As /tmp: other users make their own files there.
  chmodSync(folder, 0o1777);
  // A container may allow no programs there, and a bridge has its hooks.
  const script = join(folder, 'program');
  writeFileSync(script, '#!/bin/sh\n', { mode: 0o755 });
  if (spawnSync(script).status !== 0) {
    remove();
    return () => {};
  }
  process.env.TEST_DISK = tmpdir();
  process.env.TMPDIR = folder;
  return remove;
}

/** Where temporary files are on the disk all the same. */
export function diskTemp(): string {
  return process.env.TEST_DISK ?? tmpdir();
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return Math.min(bavail * bsize, freemem()) >= FREE_BYTES;
  } catch {
    return false;
  }
}

function removeLeftOvers(): void {
  for (const name of readdirSync(MEMORY)) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN;
    if (!(pid > 0) || isRunning(pid)) continue;
    try {
      rmSync(join(MEMORY, name), { recursive: true, force: true, maxRetries: 5 });
    } catch {
      // A program that this run has left behind still writes there; the next run looks again.
    }
  }
}
