import type { BridgeFixture } from './bridge-fixture.js';
import { gitOk } from './git.js';

/** A file that a commit sets. */
export interface MainFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Default: a plain file. */
  readonly mode?: '100644' | '100755' | '120000';
  readonly message?: string;
}

/**
 * Commits a file to `main` on the server with plumbing, as only the owner of the files can: no hook checks
 * it. Returns the commit's id.
 */
export async function commitOnMain(
  bridge: Pick<BridgeFixture, 'repoPath' | 'ownerEnv'>,
  file: MainFile,
): Promise<string> {
  const where = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const parent = (await gitOk(['rev-parse', 'main'], where)).trim();
  const blob = (
    await gitOk(['hash-object', '-w', '--stdin', '--no-filters'], { ...where, input: file.content })
  ).trim();
  const others = (await gitOk(['ls-tree', 'main'], where))
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith(`\t${file.path}`));
  const entries = [...others, `${file.mode ?? '100644'} blob ${blob}\t${file.path}`, ''].join('\n');
  const tree = (await gitOk(['mktree'], { ...where, input: entries })).trim();
  const commit = (
    await gitOk(['commit-tree', tree, '-p', parent, '-m', file.message ?? `set ${file.path}`], where)
  ).trim();
  await gitOk(['update-ref', '-m', 'by hand', 'refs/heads/main', commit, parent], where);
  return commit;
}
