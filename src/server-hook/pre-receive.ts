/**
 * The pre-receive hook, as a program: judges the push on standard input, exits 0 to let it in and 1 to refuse it.
 * It runs while the new objects are still in quarantine, so a refused push leaves nothing behind.
 */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { hookGitEnv } from '../git/git-env.js';
import { errorText } from '../protocol/bridge-error.js';
import { excerpt, oneLine } from '../protocol/printable.js';
import { formatRefusal } from '../protocol/refusal.js';
import { hookRepository } from './hook-repository.js';
import { judgePush } from './judge-push.js';

/** How much of what is wrong is told. */
const MAX_TEXT_CHARS = 500;

// A schema that is used once is not worth compiling.
z.config({ jitless: true });
// Whatever ends this process before it has judged must not end it as if the push were let in.
process.exitCode = 1;
void judge();

async function judge(): Promise<void> {
  try {
    const denial = await judgePush({
      repo: hookRepository(process.cwd(), hookGitEnv(process.env)),
      stdin: readFileSync(0, 'utf8'),
      env: process.env,
      nowMs: Date.now(),
    });
    if (denial === null) process.exitCode = 0;
    // A reason may quote the pusher, a field name of a megabyte say; more than a pipe holds would hang with a dead client.
    else say(oneLine(formatRefusal({ ...denial, text: excerpt(oneLine(denial.text), MAX_TEXT_CHARS) })));
  } catch (error) {
    const text = oneLine(errorText(error)).slice(0, 300);
    say(
      formatRefusal({
        code: 'internal',
        text,
        remedy: 'tell the owner of the bridge; llm-bridge init repairs hooks',
      }),
    );
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
