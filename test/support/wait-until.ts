import { setTimeout as sleep } from 'node:timers/promises';

/** How often the condition is looked at. */
const LOOK_EVERY_MS = 20;

/**
 * Waits until `condition` gives something other than false, null or undefined, and returns it. For conditions
 * without an event: a file's content, another program's process. Throws, naming `what`, after `timeoutMs`.
 */
export async function waitUntil<T>(
  condition: () => Promise<T> | T,
  what: string,
  timeoutMs = 20_000,
): Promise<Exclude<T, false | null | undefined>> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) {
      return value as Exclude<T, false | null | undefined>;
    }
    if (performance.now() > giveUpAt) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}
