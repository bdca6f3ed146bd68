import { setTimeout as sleep } from 'node:timers/promises';

/**
 * How often the condition is looked at: at first, and at the most after a while, because a look may start a
 * program. What has taken long is known a tenth of that later.
 */
const FIRST_LOOK_MS = 20;
const LONGEST_LOOK_MS = 250;
const LOOK_AFTER = 1 / 10;

/**
 * Waits until `condition` gives something other than false, null or undefined, and returns it. For
 * conditions without an event: a file's content, another program's process. Throws, naming `what`, after
 * `timeoutMs`.
 */
export async function waitUntil<T>(
  condition: () => Promise<T> | T,
  what: string,
  timeoutMs = 90_000,
): Promise<Exclude<T, false | null | undefined>> {
  const beganAt = performance.now();
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) {
      return value as Exclude<T, false | null | undefined>;
    }
    const waitedMs = performance.now() - beganAt;
    if (waitedMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await sleep(Math.min(Math.max(FIRST_LOOK_MS, waitedMs * LOOK_AFTER), LONGEST_LOOK_MS));
  }
}
