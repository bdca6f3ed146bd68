/**
 * The upkeep of a bridge (`upkeep/keep-up.ts`), as a program: `upkeep.cjs <repo> [now]`. The process of a
 * push starts it and does not wait. It prints nothing: where it fails, a later push starts it again.
 */
import { clientGitEnv } from '../git/git-env.js';
import { keepUp } from './upkeep/keep-up.js';

const [, , gitDir, when] = process.argv;
if (gitDir === undefined) process.exitCode = 2;
else {
  keepUp({ gitDir, env: clientGitEnv(process.env) }, { now: when === 'now' }).catch(() => {
    process.exitCode = 1;
  });
}
