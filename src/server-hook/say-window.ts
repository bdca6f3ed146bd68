/**
 * `bridge-window`, as a program: prints the part of history in which tasks can be pending, as far as a
 * reader wants it (`window-reply.ts`). `ssh-command` starts it, in the repository, with two numbers.
 */
import * as z from 'zod';
import { readBridgeSettings } from '../bridge/bridge-settings.js';
import { whoWorks } from '../bridge/side-refs.js';
import { MAX_WINDOW_COMMITS, type WindowReply } from '../bridge/window-reply.js';
import { hookGitEnv } from '../git/git-env.js';
import { LARGE_BYTES } from '../git/left-out.js';
import { packCommits } from '../git/pack-commits.js';
import type { Repository } from '../git/run-git.js';
import { MAIN_REF } from '../protocol/names.js';
import { chooseWindow } from '../rules/read-window.js';
import { hookRepository } from './read-principal.js';

// Compiling a schema does not pay for one or two uses.
z.config({ jitless: true });
const [, , pending = '', expired = ''] = process.argv;
const wanted = { pending: Number(pending), expired: Number(expired) };
const repo = hookRepository(process.cwd(), hookGitEnv(process.env));
windowOf(repo, wanted).then(
  (parts) => {
    for (const part of parts) process.stdout.write(part);
  },
  () => {
    process.exitCode = 1;
  },
);

async function windowOf(
  repo: Repository,
  wanted: { readonly pending: number; readonly expired: number },
): Promise<readonly (string | Buffer)[]> {
  const nowMs = Date.now();
  const [{ taskTtlMs: ttlMs }, { running }] = await Promise.all([
    readBridgeSettings(repo),
    whoWorks(repo, 'refs/bridge/', nowMs),
  ]);
  const ids = new Set(running.keys());
  const chosen = await chooseWindow(repo, MAIN_REF, { nowMs, ttlMs }, { ...wanted, ids });
  const commits = [...(chosen?.listed ?? []), ...(chosen?.behind ?? []).map(({ id }) => id)];
  if (chosen === null || commits.length > MAX_WINDOW_COMMITS) return [headOf({ window: null })];
  const pack = await packCommits(repo, commits, LARGE_BYTES);
  const { left } = chosen;
  return [headOf({ window: { commits: commits.length, left } }), ...commits.map((id) => `${id}\n`), pack];
}

function headOf(reply: WindowReply): string {
  return `${JSON.stringify(reply)}\n`;
}
