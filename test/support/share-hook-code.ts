import { copyFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import { onCleanup } from './on-cleanup.js';

/**
 * Hands the compiled code of the process beside a push (src/server-hook/code-cache.ts) from bridge to
 * bridge: that of a test takes a few pushes, and compiling costs as much as they do. The first bridge that
 * has it at the end of its test leaves it to all later ones.
 */
export async function shareHookCode(repoPath: string): Promise<void> {
  const [shared, own] = [`${inject('newBridge')}.code`, join(repoPath, 'bridge', 'standby.code')];
  const isThere = await copyFile(shared, own).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  onCleanup(async () => {
    const draft = `${shared}.${process.pid}`;
    await copyFile(own, draft)
      .then(() => rename(draft, shared))
      .catch(() => rm(draft, { force: true }));
  });
}
