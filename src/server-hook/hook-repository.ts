import type { Repository } from '../git/run-git.js';

/**
 * The repository a hook runs in. git starts hooks in the git directory itself, with GIT_DIR and the quarantine in the
 * environment, which has to stay as it is.
 */
export function hookRepository(cwd: string, env: NodeJS.ProcessEnv): Repository {
  return { gitDir: cwd, env };
}
