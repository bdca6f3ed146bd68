import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { PROTOCOL_VERSION } from '../../src/protocol/names.js';
import { cleanEnv } from './clean-env.js';
import { runProcess } from './run-process.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The path of a repository as `bareBridge` gives it, which nobody changes. */
    readonly newBareBridge: string;
  }
}

/** vitest global setup: makes the repository that `bareBridge` copies. */
export async function setup(project: TestProject): Promise<() => void> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'llm-bridge-test-bare-')));
  const gitDir = join(dir, 'bridge.git');
  await initBareBridge(gitDir, cleanEnv(dir));
  project.provide('newBareBridge', gitDir);
  return () => rmSync(dir, { recursive: true, force: true });
}

/**
 * A bare repository with `main` at an empty root commit, without the hooks that git shows as examples. Seven
 * starts of git.
 */
export async function initBareBridge(gitDir: string, env: Record<string, string>): Promise<void> {
  const who = { GIT_AUTHOR_NAME: 'somebody', GIT_COMMITTER_NAME: 'somebody' };
  const at = { GIT_AUTHOR_EMAIL: 's@example.invalid', GIT_COMMITTER_EMAIL: 's@example.invalid' };
  const git = async (...args: readonly string[]): Promise<string> => {
    const all = ['--git-dir', gitDir, ...args];
    const { exitCode, stdout, stderr } = await runProcess('git', all, { env: { ...env, ...who, ...at } });
    if (exitCode !== 0) throw new Error(`git ${args.join(' ')} exited with ${exitCode}\n${stderr}`);
    return stdout.trim();
  };
  await git('init', '--bare', '--quiet', '--initial-branch=main');
  rmSync(join(gitDir, 'hooks'), { recursive: true });
  mkdirSync(join(gitDir, 'hooks'));
  await git('config', 'core.logAllRefUpdates', 'true');
  await git('config', 'bridge.version', String(PROTOCOL_VERSION));
  const root = await git('commit-tree', await git('mktree'), '-m', 'init');
  await git('update-ref', 'refs/heads/main', root);
}
