import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { clientGitEnv } from '../../git/git-env.js';
import { startDetached } from '../../process/start-program.js';
import { isRunnableName, onAnswerFolder } from './folder.js';

/**
 * Starts the dispatcher as a process of its own, which outlives this one and has nothing of its output or its session, so that
 * nobody who pushes waits for it. Where `on-answer.d` has nothing to run, one look at the folder is all. Never throws: an answer that is in
 * the log is safe, and the next ingest starts it again. `program` is the built `on-answer.cjs`.
 */
export async function startDispatcher(
  program: string,
  repoPath: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const gitDir = path.resolve(repoPath);
  try {
    const names = await readdir(onAnswerFolder(gitDir));
    if (!names.some(isRunnableName)) return;
    // "key remove" ends every process that has the name of the key in its environment.
    startDetached([process.execPath, program, gitDir], { cwd: gitDir, env: withoutOurs(clientGitEnv(env)) });
  } catch {
    // No such folder, or no process to be had.
  }
}

function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('LLM_BRIDGE_')));
}
