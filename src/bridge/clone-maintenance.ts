import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { collectGarbage } from '../git/porcelain.js';
import type { Repository } from '../git/run-git.js';

/**
 * The most loose objects and packs in a clone that stays fast: as many loose objects as git's own gc allows,
 * and fewer packs (it allows 50).
 */
const MAX_LOOSE = 6_700;
const MAX_PACKS = 20;

/** A look reads two folders. Milliseconds. */
const LOOK_EVERY_MS = 60_000;

/**
 * Maintenance runs at least this often, however little is new: history leaves the window with time.
 * Milliseconds.
 */
const RUN_EVERY_MS = 24 * 3_600_000;

/** An object written a moment ago may get a reference soon. */
const KEEP_UNREACHABLE = '1.hour.ago';

/** Keeps a clone small over months. */
export interface CloneMaintenance {
  /**
   * Whether the next fetch should drop the history outside the window. It may be asked often; it looks only
   * now and then.
   */
  isDue(): Promise<boolean>;
  /**
   * Packs what is left after such a fetch and drops the rest, in a git process of its own. A failure leaves
   * the clone as it is.
   */
  run(signal: AbortSignal): Promise<void>;
}

/** Makes the maintenance of a clone. The first look comes at once, for an agent that has just started. */
export function cloneMaintenance(
  clone: Repository,
  now: () => number = () => performance.now(),
): CloneMaintenance {
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let ranAtMs = now();
  let running: Promise<void> | null = null;
  return {
    async isDue() {
      if (running !== null || now() - lookedAtMs < LOOK_EVERY_MS) return false;
      lookedAtMs = now();
      return now() - ranAtMs > RUN_EVERY_MS || (await isCrowded(clone.gitDir));
    },
    run(signal) {
      ranAtMs = now();
      running ??= collectGarbage(clone, KEEP_UNREACHABLE, signal)
        .catch(() => {})
        .finally(() => {
          running = null;
        });
      return running;
    },
  };
}

async function isCrowded(gitDir: string): Promise<boolean> {
  const count = async (...names: string[]) =>
    (await readdir(path.join(gitDir, 'objects', ...names)).catch(() => [])).length;
  // Ids are spread evenly over 256 folders, so one folder is enough for an estimate. A pack may be three
  // files: .pack, .idx, .rev.
  return (await count('17')) * 256 > MAX_LOOSE || (await count('pack')) > 3 * MAX_PACKS;
}
