import { join } from 'node:path';
import type { Repository } from '../../src/git/run-git.js';
import { PROTOCOL_VERSION } from '../../src/protocol/names.js';
import { cleanEnv } from './clean-env.js';
import { gitOk } from './git.js';
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

/** Makes one for the running test. `rootDate` dates the root commit, default now. */
export async function bareBridge(options: { readonly rootDate?: string } = {}): Promise<BareBridge> {
  const dir = await tempDir();
  const gitDir = join(dir, 'bridge.git');
  const env = { ...cleanEnv(dir), LC_ALL: 'C' };
  await gitOk(['init', '--bare', '--quiet', '--initial-branch=main', gitDir], { env });
  const run = async (args: readonly string[], input?: string | Uint8Array, more = {}) =>
    (
      await gitOk(args, { gitDir, env: { ...env, ...more }, ...(input === undefined ? {} : { input }) })
    ).replace(/\n$/, '');
  await run(['config', 'core.logAllRefUpdates', 'true']);
  await run(['config', 'bridge.version', String(PROTOCOL_VERSION)]);
  const tree = await run(['mktree'], '');
  const root = await run(
    ['commit-tree', tree, '-m', 'init'],
    '',
    options.rootDate === undefined ? {} : { GIT_COMMITTER_DATE: options.rootDate },
  );
  await run(['update-ref', 'refs/heads/main', root]);
  return { dir, gitDir, env, git: (args, input) => run(args, input) };
}
