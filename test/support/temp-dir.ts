import { rmSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './on-cleanup.js';

/**
 * A new empty folder, removed after the test; if made in `beforeAll`, after the test file. Its path has no
 * symbolic links (the temporary folder of macOS is one), so it can be compared with git's output.
 */
export async function tempDir(parent = tmpdir()): Promise<string> {
  const path = await mkdtemp(join(await realpath(parent), 'llm-bridge-test-'));
  onCleanup(() => removeTemp(path));
  return path;
}

/** In one go, because to wait for each of many small files costs more than their removal does. */
async function removeTemp(path: string): Promise<void> {
  const options = { recursive: true, force: true } as const;
  try {
    rmSync(path, options);
  } catch {
    // A process that was just killed may still be writing its last file.
    await rm(path, { ...options, maxRetries: 5, retryDelay: 50 });
  }
}
