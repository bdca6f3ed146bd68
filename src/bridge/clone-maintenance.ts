import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { collectGarbage } from '../git/porcelain.js';
import type { Repository } from '../git/run-git.js';

/** Small enough to stay quick, and as git's own gc has it: about so many loose objects, so many packs. */
const MAX_LOOSE = 6_700;
const MAX_PACKS = 20;

/** Looking costs two readings of a folder. Milliseconds. */
const LOOK_EVERY_MS = 10 * 60_000;

/** At least so often, however little has come in: history moves out of the window with time. Milliseconds. */
const TEND_EVERY_MS = 24 * 3_600_000;

/** What was written a moment ago may be about to be referred to. */
const KEEP_UNREACHABLE = '1.hour.ago';

/** Keeps a clone small over months. */
export interface CloneMaintenance {
  /** Whether the next fetch should leave behind the history that is out of the window. Asked often, it looks now and then. */
  isDue(): Promise<boolean>;
  /** After such a fetch: packs what is left and drops the rest, in a git of its own. A failure only leaves the clone as it is. */
  tend(signal: AbortSignal): Promise<void>;
}

/** Makes the tender of a clone. The clone of an agent that was just started is looked at right away. */
export function cloneMaintenance(
  clone: Repository,
  now: () => number = () => performance.now(),
): CloneMaintenance {
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let tendedAtMs = now();
  let running: Promise<void> | null = null;
  return {
    async isDue() {
      if (running !== null || now() - lookedAtMs < LOOK_EVERY_MS) return false;
      lookedAtMs = now();
      return now() - tendedAtMs > TEND_EVERY_MS || (await isCrowded(clone.gitDir));
    },
    tend(signal) {
      tendedAtMs = now();
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
  // Ids are spread evenly over 256 folders, so one of them tells.
  return (await count('17')) * 256 > MAX_LOOSE || (await count('pack')) > 3 * MAX_PACKS;
}
