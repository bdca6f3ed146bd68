import { stat } from 'node:fs/promises';
import path from 'node:path';
import { isOwner, type LocalBridge, openLocalBridge } from '../../bridge/local-bridge.js';
import { isHeadBroken, RESTORED_HEAD, restoreHead } from '../../git/repair-bridge.js';
import { logRepairs } from '../../git/repairs-log.js';
import type { ObjectIds } from '../../git/run-git.js';
import { shellQuote } from '../../process/shell-quote.js';
import { broken, ok, type Verdict } from './finding.js';

/** The format of object ids, as git's documentation spells it. */
export function formatName(ids: ObjectIds): string {
  return ids === 'sha1' ? 'SHA-1' : 'SHA-256';
}

/** What `checkRepository` needs to know. */
export interface RepositoryCheckOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Whether to write a HEAD again that a power cut has emptied. */
  readonly fix: boolean;
  readonly nowMs: number;
  /** Gets the bridge. */
  readonly found: (bridge: LocalBridge) => void;
}

/**
 * Checks whether there is a bridge at `repoPath` that this user owns and this version knows. Passes it to
 * `found` where its HEAD is in order, or was written again. Throws BridgeError as openLocalBridge does.
 */
export async function checkRepository(
  repoPath: string,
  options: RepositoryCheckOptions,
): Promise<Verdict | Verdict[]> {
  const { env, fix, nowMs, found } = options;
  const gitDir = path.resolve(repoPath);
  const stats = await stat(gitDir).catch(() => null);
  if (stats !== null && !isOwner(stats.uid)) {
    return broken(
      `${gitDir} belongs to another user`,
      `sudo -u '#${stats.uid}' llm-bridge doctor --repo ${shellQuote(gitDir)}`,
    );
  }
  const bridge = await openLocalBridge(gitDir, { env, asOwner: true });
  const { ids } = bridge.settings;
  const here = ok(ids === null ? gitDir : `${gitDir}, with ids of ${formatName(ids)}`);
  if (isHeadBroken(gitDir)) {
    if (!fix) {
      return broken(
        `HEAD of ${gitDir} says nothing, so git takes it for no repository`,
        `llm-bridge doctor --fix --repo ${shellQuote(gitDir)}`,
      );
    }
    await restoreHead(gitDir);
    await logRepairs(gitDir, [RESTORED_HEAD], nowMs);
    found(bridge);
    return [here, ok(RESTORED_HEAD)];
  }
  found(bridge);
  return here;
}
