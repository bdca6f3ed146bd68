import { fileURLToPath } from 'node:url';
import { cleanEnv } from './clean-env.js';
import { type RunResult, runProcess } from './run-process.js';
import { tempDir } from './temp-dir.js';

/** The checkout that is tested. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Runs `npm run bench` with these arguments, without the build. */
export async function runBench(...args: string[]): Promise<RunResult> {
  const script = fileURLToPath(new URL('../../scripts/bench.mjs', import.meta.url));
  const env = cleanEnv(await tempDir());
  return runProcess(process.execPath, [script, ...args], { env, cwd: ROOT });
}
