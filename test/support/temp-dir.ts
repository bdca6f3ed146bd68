import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './on-cleanup.js';

/**
 * A new empty folder, removed after the test; made in `beforeAll`, after the test file. The path has no symbolic links
 * in it (macOS's temporary folder is one), so it can be compared with what git prints.
 */
export async function tempDir(): Promise<string> {
  const path = await mkdtemp(join(await realpath(tmpdir()), 'llm-bridge-test-'));
  // A process that was just killed may still be writing its last file.
  onCleanup(() => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  return path;
}
