import { stat } from 'node:fs/promises';
import path from 'node:path';
import { isOwner, type LocalBridge, openLocalBridge } from '../../bridge/local-bridge.js';
import { shellQuote } from '../../process/shell-quote.js';
import { broken, ok, type Verdict } from './finding.js';

/**
 * Checks whether there is a bridge at `repoPath` that this user owns and this version knows, and passes it to
 * `found`. Throws BridgeError as openLocalBridge does.
 */
export async function checkRepository(
  repoPath: string,
  env: NodeJS.ProcessEnv,
  found: (bridge: LocalBridge) => void,
): Promise<Verdict> {
  const gitDir = path.resolve(repoPath);
  const stats = await stat(gitDir).catch(() => null);
  if (stats !== null && !isOwner(stats.uid)) {
    return broken(
      `${gitDir} belongs to another user`,
      `sudo -u '#${stats.uid}' llm-bridge doctor --repo ${shellQuote(gitDir)}`,
    );
  }
  found(await openLocalBridge(gitDir, { env, asOwner: true }));
  return ok(gitDir);
}
