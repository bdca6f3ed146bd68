/**
 * Puts a bridge right (`repair-bridge.ts`), as a program that `bridge/repair` starts beside a push that something stands in the way of. It says
 * nothing to anybody: what it does is in `bridge/repairs.log`.
 */
import { clientGitEnv } from '../git/git-env.js';
import { repairBridge } from '../git/repair-bridge.js';

/**
 * A push may last `bridge.receiveTimeout` (300 s) and a minute, and whoever has held one open so long may have taken the lock. A
 * push that comes meanwhile does not wait for this. Milliseconds.
 */
const WAIT_MS = 400_000;

const [, , gitDir] = process.argv;
if (gitDir === undefined) process.exitCode = 2;
else {
  repairBridge({ gitDir, env: clientGitEnv(process.env) }, { waitMs: WAIT_MS, now: Date.now }).catch(() => {
    process.exitCode = 1;
  });
}
