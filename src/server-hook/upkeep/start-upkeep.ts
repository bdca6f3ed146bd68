import { clientGitEnv } from '../../git/git-env.js';
import { startDetached } from '../../process/start-program.js';
import { estimateLoose, isWorthPacking } from './loose-objects.js';

/**
 * Starts the upkeep as a program of its own where a look at a few folders says that there may be something
 * to pack. It outlives this process and shares nothing with it, so a pusher does not wait for it; it has the
 * lowest priority, and not the limits of a push. Never throws: the next push looks again. `program` is the
 * built `upkeep.cjs`.
 */
export function startUpkeep(program: string, gitDir: string, env: NodeJS.ProcessEnv): void {
  if (!isWorthPacking(estimateLoose(gitDir))) return;
  const raised =
    'for one in t d v f; do ulimit -S -$one "$(ulimit -H -$one)"; done 2>/dev/null; exec nice -n 19 "$@"';
  // "key remove" ends every process that has the name of the key in its environment.
  const ours = Object.entries(clientGitEnv(env)).filter(([name]) => !name.startsWith('LLM_BRIDGE_'));
  startDetached(['sh', '-c', raised, 'sh', process.execPath, program, gitDir], {
    cwd: gitDir,
    env: Object.fromEntries(ours),
  });
}
