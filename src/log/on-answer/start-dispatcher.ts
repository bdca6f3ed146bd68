import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { clientGitEnv } from '../../git/git-env.js';
import { startDetached } from '../../process/start-program.js';
import { isRunnableName, onAnswerFolder } from './folder.js';

/**
 * Starts the dispatcher as a separate process. It outlives this one and shares neither its output nor its
 * session, so a pusher does not wait for it. Where `on-answer.d` has nothing to run, it only looks at the
 * folder. Never throws: an answer in the log is safe, and the next ingest starts the dispatcher again.
 * `program` is the built `on-answer.cjs`.
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
    // There is no such folder, or no process can be started.
  }
}

function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('LLM_BRIDGE_')));
}
