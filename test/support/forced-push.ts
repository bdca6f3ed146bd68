import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { git } from './git.js';
import { IN_OWN_SESSION } from './own-session.js';
import type { PlainBridge } from './plain-bridge.js';
import type { RunResult } from './run-process.js';

/**
 * Pushes a commit to main through the forced command of a key, as over ssh but without an sshd, which is
 * many times faster.
 */
export async function forcedPush(bridge: PlainBridge, commit: string, principal: string): Promise<RunResult> {
  const connection = join(bridge.dir, `connection-${principal}`);
  const command = `'${bridge.repoPath}/bridge/ssh-command' ${principal}`;
  await writeFile(
    connection,
    `#!/bin/sh\nSSH_ORIGINAL_COMMAND="git-receive-pack '$1'" exec ${IN_OWN_SESSION}${command}\n`,
  );
  await chmod(connection, 0o755);
  return git(['push', `--receive-pack=${connection}`, bridge.repoPath, `${commit}:refs/heads/main`], {
    gitDir: bridge.cloneDir,
    env: bridge.env,
  });
}
