/**
 * Repairs a bridge (`repair-bridge.ts`), as a program. `bridge/repair` starts it beside a push that
 * something blocks. It prints nothing; `bridge/repairs.log` says what it did.
 */
import { clientGitEnv } from '../git/git-env.js';
import { repairBridge } from '../git/repair-bridge.js';

/**
 * How long to wait for the lock. A push may last `bridge.receiveTimeout` (300 s) and a
 * minute, and a push that was open that long may hold the lock. A push that comes meanwhile
 * does not wait for this. Milliseconds.
 */
const WAIT_MS = 400_000;

const [, , gitDir] = process.argv;
if (gitDir === undefined) process.exitCode = 2;
else {
  repairBridge({ gitDir, env: clientGitEnv(process.env) }, { waitMs: WAIT_MS }).catch(() => {
    process.exitCode = 1;
  });
}
