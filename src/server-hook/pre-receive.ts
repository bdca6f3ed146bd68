/**
 * The pre-receive hook, as a program: judges the push on standard input, exits 0 to let it in and 1 to refuse it.
 * It runs while the new objects are still in quarantine, so a refused push leaves nothing behind.
 */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { hookGitEnv } from '../git/git-env.js';
import { hookRepository } from './hook-repository.js';
import { judgeAloud } from './judge-aloud.js';

// A schema that is used once is not worth compiling.
z.config({ jitless: true });
// Whatever ends this process before it has judged must not end it as if the push were let in.
process.exitCode = 1;
void judge();

async function judge(): Promise<void> {
  const refusal = await judgeAloud({
    repo: hookRepository(process.cwd(), hookGitEnv(process.env)),
    stdin: readFileSync(0, 'utf8'),
    env: process.env,
    nowMs: Date.now(),
  });
  if (refusal === null) process.exitCode = 0;
  else process.stderr.write(`${refusal}\n`);
}
