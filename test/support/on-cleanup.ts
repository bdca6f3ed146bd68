import { afterAll, onTestFinished } from 'vitest';

const fileCleanups: (() => Promise<void> | void)[] = [];

/**
 * Runs `cleanup` when the running test is finished; called outside of a test (in `beforeAll`), when the test file is.
 * Cleanups run in reverse order, so a server stops before its folder goes.
 */
export function onCleanup(cleanup: () => Promise<void> | void): void {
  try {
    onTestFinished(cleanup);
  } catch {
    // It throws where no test is running.
    fileCleanups.push(cleanup);
  }
}

afterAll(async () => {
  for (const cleanup of fileCleanups.splice(0).reverse()) await cleanup();
});
