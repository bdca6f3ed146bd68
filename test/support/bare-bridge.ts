import { join } from 'node:path';
import { inject } from 'vitest';
import type { Repository } from '../../src/git/run-git.js';
import { cleanEnv } from './clean-env.js';
import { gitOk } from './git.js';
import { initBareBridge } from './new-bare-bridge.js';
import { copyBridge } from './new-bridge.js';
import { tempDir } from './temp-dir.js';

/**
 * A bare repository with `main` at an empty root commit, and no hooks: the result of `init`, as far as
 * plumbing sees it.
 */
export interface BareBridge extends Repository {
  readonly dir: string;
  /** Runs git on it and throws where it fails. Returns the output without its last line break. */
  git(args: readonly string[], input?: string | Uint8Array): Promise<string>;
}

/** Makes one for the running test. `rootDate` dates the root commit, default the start of the run. */
export async function bareBridge(options: { readonly rootDate?: string } = {}): Promise<BareBridge> {
  const dir = await tempDir();
  const gitDir = join(dir, 'bridge.git');
  const env = { ...cleanEnv(dir), LC_ALL: 'C' };
  if (options.rootDate === undefined) copyBridge(inject('newBareBridge'), gitDir);
  else await initBareBridge(gitDir, { ...env, GIT_COMMITTER_DATE: options.rootDate });
  const git: BareBridge['git'] = async (args, input) => {
    const text = await gitOk(args, { gitDir, env, ...(input === undefined ? {} : { input }) });
    return text.replace(/\n$/, '');
  };
  return { dir, gitDir, env, git };
}
