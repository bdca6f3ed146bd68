import { clearScreenDown, cursorTo } from 'node:readline';
import { createBell } from '../bridge/notifier.js';
import { openDoorbell } from '../bridge/connection.js';
import type { BridgeView } from './open-view.js';

/** How often ages are drawn anew, and what changes beside history is looked at on this machine. Milliseconds. */
const REDRAW_MS = 5_000;

/** How often a bridge elsewhere is asked where nothing rings. Milliseconds. */
const FETCH_MS = 60_000;

/**
 * Shows a view again whenever the bridge rings and every few seconds, until the signal aborts. On a terminal in the same
 * place, elsewhere one behind the other.
 */
export async function watchStatus(
  view: BridgeView,
  show: () => Promise<string>,
  signal: AbortSignal,
): Promise<void> {
  const bell = createBell();
  const doorbell = openDoorbell(view.door, bell);
  let fetchedAtMs = performance.now();
  try {
    while (!signal.aborted) {
      const text = await show();
      if (process.stdout.isTTY) {
        cursorTo(process.stdout, 0, 0);
        clearScreenDown(process.stdout);
      }
      process.stdout.write(text);
      const outcome = await bell.wait(REDRAW_MS, signal);
      if (signal.aborted) return;
      if (outcome === 'rung' || performance.now() - fetchedAtMs > FETCH_MS) {
        fetchedAtMs = performance.now();
        // A server that is away is no end of it: the ages tell.
        await view.refresh().catch(() => {});
      }
    }
  } finally {
    await doorbell.close();
  }
}
