/**
 * The pre-receive hook, as a program: judges the push on standard input, exits 0 to let it in and 1 to
 * refuse it. It runs while the new objects are still in quarantine, so a refused push leaves nothing behind.
 */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { hookGitEnv } from '../git/git-env.js';
import { formatRefusal } from '../protocol/refusal.js';
import { PACK_COPY } from '../rules/pack-copy.js';
import { judgeAloud } from './judge-push.js';
import { hookRepository } from './read-principal.js';

// Compiling a schema does not pay for one use.
z.config({ jitless: true });
// A process that ends before it has judged must not let the push in.
process.exitCode = 1;
const CUT_OFF = formatRefusal({
  code: 'internal',
  text: 'the hook did not receive the whole push',
  remedy: 'push again',
});
void judge();

async function judge(): Promise<void> {
  const text = readFileSync(0, 'utf8');
  const stdin = process.argv[2] === 'framed' ? unframe(text) : text;
  const { env } = process;
  const repo = hookRepository(process.cwd(), hookGitEnv(env));
  // ssh-command sets this variable even where no process stands by, and opens the descriptors of the hooks.
  const packCopy = env.LLM_BRIDGE_STANDBY === undefined ? null : PACK_COPY;
  const refusal =
    stdin === null ? CUT_OFF : await judgeAloud({ repo, stdin, env, nowMs: Date.now(), packCopy });
  if (refusal === null) process.exitCode = 0;
  else process.stderr.write(`${refusal}\n`);
}

/**
 * Reads what git wrote from the stub's lines: each after a `+`, and a `.` at the end. Null where any of it
 * is missing.
 */
function unframe(text: string): string | null {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.pop() !== '.' || !lines.every((line) => line.startsWith('+'))) return null;
  return lines.map((line) => `${line.slice(1)}\n`).join('');
}
