import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import { listRefFiles, readRefFile } from '../../src/git/ref-files.js';
import { MAIN_REF } from '../../src/protocol/names.js';
import { cleanEnv } from './clean-env.js';
import { git, gitOk } from './git.js';
import { hooksHere } from './hooks-here.js';
import { type MessageWriter, messageWriter } from './message-writer.js';
import { copyBridge, initBridge } from './new-bridge.js';
import type { RunResult } from './run-process.js';
import { serveHooks } from './serve-hooks.js';
import { tempDir } from './temp-dir.js';

/**
 * A bridge made by the built program, and one clone that pushes to it by its path. It has no sshd, and is
 * many times faster.
 */
export interface PlainBridge {
  readonly dir: string;
  readonly repoPath: string;
  readonly env: Record<string, string>;
  /** Writes into the clone. */
  readonly writer: MessageWriter;
  readonly cloneDir: string;
  tip(): Promise<string>;
  /**
   * `git push <bridge> <refspecs>` from the clone. `principal` stands for the key; without it, the owner
   * pushes.
   */
  push(refspecs: readonly string[], principal?: string): Promise<RunResult>;
  /** Pushes to main and throws where it fails; returns the id. */
  pushOk(id: string, principal?: string): Promise<string>;
  /** Everything that a refused push must not change. */
  snapshot(): Promise<string>;
  readLog(): Promise<string>;
}

/**
 * Makes one, with principals of the names and roles given. `hooks: 'here'`: the stubs of the hooks are
 * answered by this process where this clone pushes (see `hooksHere`), and with 'here for all' where anybody
 * does (see `serveHooks`), for tests that are not about how a hook is started.
 */
export async function startPlainBridge(
  options: {
    readonly principals?: Readonly<Record<string, string>>;
    readonly env?: Record<string, string>;
    readonly hooks?: 'here' | 'here for all' | 'started';
  } = {},
): Promise<PlainBridge> {
  const dir = await tempDir();
  const env = cleanEnv(dir, options.env);
  const repoPath = join(dir, 'bridge.git');
  const cloneDir = join(dir, 'clone.git');
  // The variables may be about what `init` makes.
  if (options.env === undefined) {
    copyBridge(inject('newBridge'), repoPath);
    copyBridge(inject('newClone'), cloneDir);
  } else {
    await initBridge(repoPath, env);
    await gitOk(['clone', '--bare', '--quiet', repoPath, cloneDir], { env });
  }
  for (const [name, role] of Object.entries(options.principals ?? {})) {
    await writeFile(join(repoPath, 'bridge', 'principals', name), `${role} SHA256:of-a-test\n`);
  }
  if (options.hooks === 'here for all') await serveHooks(repoPath, env);

  const inBridge = { gitDir: repoPath, env };
  const push = (refspecs: readonly string[], principal?: string): Promise<RunResult> => {
    const pusher = principal === undefined ? env : { ...env, LLM_BRIDGE_PRINCIPAL: principal };
    const here = options.hooks?.startsWith('here') ? hooksHere(repoPath, pusher) : { env: pusher };
    return git(['push', repoPath, ...refspecs], { gitDir: cloneDir, ...here });
  };
  const readLog = () => readFile(join(repoPath, 'bridge', 'answers.log'), 'utf8');
  return {
    dir,
    repoPath,
    env,
    writer: messageWriter(cloneDir, env),
    cloneDir,
    tip: async () =>
      (await readRefFile(repoPath, MAIN_REF)) ?? (await gitOk(['rev-parse', MAIN_REF], inBridge)).trim(),
    push,
    async pushOk(id, principal) {
      const result = await push([`${id}:refs/heads/main`], principal);
      if (result.exitCode !== 0)
        throw new Error(`the push was refused (exit code ${result.exitCode}): ${result.stderr}`);
      return id;
    },
    async snapshot() {
      const objects = await readdir(join(repoPath, 'objects'), { recursive: true });
      return [
        (await listRefFiles(repoPath, 'refs/')).map(({ ref, id }) => `${id} ${ref}`).join('\n'),
        // What a push brings lies in such a folder until it is let in.
        objects
          .filter((name) => !name.startsWith('tmp_objdir-'))
          .sort()
          .join('\n'),
        await readFile(join(repoPath, 'logs', 'HEAD'), 'utf8'),
        await readLog(),
      ].join('---\n');
    },
    readLog,
  };
}

/** The lines of a push's stderr that our hooks wrote. */
export function ourLines(stderr: string): string[] {
  return stderr
    .split('\n')
    .filter((line) => line.startsWith('remote:') && line.includes('llm-bridge'))
    .map((line) => line.slice('remote:'.length).trim());
}
