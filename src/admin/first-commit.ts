import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeBlob } from '../git/commit-file.js';
import { emailOf } from '../git/git-objects.js';
import { updateRefs } from '../git/refs.js';
import { gitText, type Repository } from '../git/run-git.js';
import { PACKAGE_FILES } from '../process/own-package.js';
import { MAIN_REF } from '../protocol/names.js';

/**
 * Makes the root of `main` from `bridge-repo-template/`: a README for whoever clones it, and no message yet.
 * Everything later is a commit on top of it.
 */
export async function writeFirstCommit(repo: Repository): Promise<void> {
  const lines: string[] = [];
  for (const name of (await readdir(PACKAGE_FILES.template)).sort()) {
    const blob = await writeBlob(repo, await readFile(path.join(PACKAGE_FILES.template, name)));
    lines.push(`100644 blob ${blob}\t${name}\n`);
  }
  const tree = (await gitText(repo, ['mktree'], { input: lines.join('') })).trim();
  const identity = { name: 'llm-bridge', email: emailOf('llm-bridge') };
  const env = {
    ...repo.env,
    GIT_AUTHOR_NAME: identity.name,
    GIT_AUTHOR_EMAIL: identity.email,
    GIT_COMMITTER_NAME: identity.name,
    GIT_COMMITTER_EMAIL: identity.email,
  };
  const commit = await gitText({ ...repo, env }, ['commit-tree', tree], { input: 'Make a bridge\n' });
  await updateRefs({ ...repo, env }, [{ ref: MAIN_REF, to: commit.trim(), from: null }], 'llm-bridge init');
}
