import { onTestFinished } from 'vitest';

const fileCleanups: (() => Promise<void> | void)[] = [];

/**
 * Runs `cleanup` after the running test; if called outside of a test (in `beforeAll`), after the test file.
 * Cleanups run in reverse order, so a server stops before its folder is removed.
 */
export function onCleanup(cleanup: () => Promise<void> | void): void {
  try {
    onTestFinished(cleanup);
  } catch {
    // It throws where no test is running.
    fileCleanups.push(cleanup);
  }
}

/** Runs what is left for the end of the test file; cleanup-after-file.ts sees to it for every file. */
export async function cleanUpAfterFile(): Promise<void> {
  for (const cleanup of fileCleanups.splice(0).reverse()) await cleanup();
}
