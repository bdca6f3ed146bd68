import { stat } from 'node:fs/promises';
import path from 'node:path';
import { isOwner, type LocalBridge, openLocalBridge } from '../../bridge/local-bridge.js';
import { updateHere } from '../../process/own-package.js';
import { shellQuote } from '../../process/shell-quote.js';
import { PROTOCOL_VERSION } from '../../protocol/names.js';
import { broken, ok, type Verdict } from './finding.js';

/**
 * Checks whether there is a bridge at `repoPath` that this user owns and this version knows, and passes it to
 * `found`. Throws BridgeError `no-such-repository`, `not-a-bridge`.
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
  const bridge = await openLocalBridge(gitDir, { env, asOwner: true });
  const { version } = bridge.settings;
  if (version !== null && version > PROTOCOL_VERSION) {
    return broken(
      `${gitDir} was made by a newer llm-bridge (layout ${version}, this one knows ${PROTOCOL_VERSION})`,
      updateHere(),
    );
  }
  found(bridge);
  return ok(gitDir);
}
