import path from 'node:path';
import { logRepairs } from '../../git/repairs-log.js';
import { findStaleLocks, type LeftLock, removedLock, removeStaleLocks } from '../../git/stale-locks.js';
import { shellQuote } from '../../process/shell-quote.js';
import { formatDuration } from '../../protocol/duration.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/**
 * A push may take `bridge.receiveTimeout` (300 s) and a minute. A lock older than twice that deserves a
 * warning. Milliseconds.
 */
const LONG_HELD_MS = 720_000;

/**
 * Longer than a push or a fetch takes on a busy bridge, so a lock that outlasts all of them is proven stale.
 * Milliseconds.
 */
const WAIT_MS = 5_000;

/**
 * Checks for leftovers of a killed git. With `fix`, those that are proven to be stale are removed; those
 * that may be in use never are.
 */
export async function checkLocks(
  gitDir: string,
  options: { readonly fix: boolean; readonly nowMs: number; readonly procFolder?: string },
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  let report = await findStaleLocks(gitDir, { procFolder: options.procFolder, waitMs: WAIT_MS });
  if (options.fix) {
    const { removed, failed } = await removeStaleLocks(gitDir, report.stale);
    await logRepairs(gitDir, removed.map(removedLock), options.nowMs);
    verdicts.push(...removed.map((lock) => ok(removedLock(lock))), ...failed.map(notRemoved(gitDir)));
    report = { ...report, stale: [] };
  }
  for (const lock of report.stale) {
    const what = lock.kind === 'lock' ? 'keeps everybody from writing' : 'takes up space';
    const text = `${lock.path}, left by a killed git since ${since(lock)}, ${what}`;
    const remedy = `llm-bridge doctor --fix --repo ${shellQuote(gitDir)}`;
    verdicts.push(lock.kind === 'lock' ? broken(text, remedy) : warning(text, remedy));
  }
  for (const lock of report.unproven) {
    const ageMs = options.nowMs - lock.sinceMs;
    verdicts.push(
      ageMs < LONG_HELD_MS
        ? ok(`${lock.path} may be in use`)
        : warning(
            `${lock.path} is ${formatDuration(ageMs)} old, and may be in use`,
            `see who has it open: lsof ${shellQuote(path.join(gitDir, lock.path))}; once every git here has ended, run this again`,
          ),
    );
  }
  return verdicts.length > 0 ? verdicts : [ok('no git that was killed left anything behind')];
}

function notRemoved(gitDir: string) {
  return ({ lock, reason }: { readonly lock: LeftLock; readonly reason: string }): Verdict =>
    broken(`${lock.path} cannot be removed (${reason})`, `rm -r ${shellQuote(path.join(gitDir, lock.path))}`);
}

function since(lock: LeftLock): string {
  return new Date(lock.sinceMs).toISOString();
}
