import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { readHistory, walkHistory } from '../git/read-history.js';
import { gitText, type Repository } from '../git/run-git.js';
import { syncHistory } from '../git/sync-history.js';
import { DISK } from '../process/durable-file.js';
import { GROUP_MODES } from '../process/group-files.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
import { MAIN_REF } from '../protocol/names.js';
import { isExpired } from '../protocol/queue.js';
import { readStrictJson } from '../protocol/strict-json.js';

/**
 * The list of open tasks, in a bridge: a line of JSON, then `<task> <seconds>` for each. It is a copy of what
 * history says up to a commit of main, so that nobody walks past fifty thousand open tasks to the oldest of
 * them. It may be lost, old, or of another history at any time: then history is walked.
 */
const FILE = 'bridge/open-tasks';

const headSchema = z.strictObject({
  /** The commit of main up to which it is true. */
  at: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/),
  /** Its date. Milliseconds since the epoch. */
  at_ms: z.number(),
  /** The newest answer up to there; null where there is none. */
  last_answer: z.string().nullable(),
});
type ListHead = z.infer<typeof headSchema>;

/** The head of a list is shorter. Bytes. */
const MAX_HEAD_BYTES = 512;

/** Main is walked past so many commits at most before the list is made again. */
export const MAX_BEHIND = 256;

/** Of a list that is made from nothing: so far back, which is more than are ever open. Commits. */
const MAX_WALK = 400_000;

/**
 * As much of history as it takes to judge these tasks: each of them that is on main in this stretch, and all
 * that may answer them, up to `tip`. Tasks that the list has come first, then what came behind the list; else
 * everything from the oldest of them on. Throws BridgeError `git-failed`.
 */
export async function readSinceTasks(
  repo: Repository,
  tip: string,
  tasks: readonly { readonly id: string; readonly committedAtMs: number }[],
): Promise<readonly HistoryCommit[]> {
  const listed = await readListed(repo, tip, tasks).catch(() => null);
  if (listed !== null) return listed;
  const oldest = await oldestOf(
    repo,
    tasks.map(({ id }) => id),
  );
  return readHistory(repo, { from: [tip], not: [`${oldest}^@`] });
}

/** On one line of history the common ancestor of commits is the oldest of them. */
async function oldestOf(repo: Repository, tasks: readonly string[]): Promise<string> {
  const [first = ''] = tasks;
  if (tasks.length === 1) return first;
  return gitText(repo, ['merge-base', '--octopus', ...tasks]).then(
    (text) => text.trim() || first,
    () => first,
  );
}

/** By the list; null where it does not say enough. */
async function readListed(
  repo: Repository,
  tip: string,
  tasks: readonly { readonly id: string; readonly committedAtMs: number }[],
): Promise<readonly HistoryCommit[] | null> {
  const head = await readHead(repo);
  // Behind the list history is walked anyway, from the task on.
  if (head === null || tasks.every(({ committedAtMs }) => committedAtMs > head.at_ms)) return null;
  const text = await readFile(path.join(repo.gitDir, FILE));
  const listed = tasks.map(({ id }) => id).filter((id) => text.includes(`\n${id} `));
  if (listed.length === 0 || readHeadOf(text)?.at !== head.at) return null;
  const behind = await readHistory(repo, { from: [tip], not: [head.at] });
  // git also walks from a commit that is not on main: main was set back, or the list is of another bridge.
  if (behind.length > 0 && behind[0]?.parents[0] !== head.at) return null;
  if (behind.length === 0 && !(await isAt(repo, tip, head.at))) return null;
  const known = new Set([...listed, ...behind.map(({ id }) => id)]);
  if (tasks.some(({ id }) => !known.has(id))) return null;
  return [...(await readHistory(repo, { from: listed, isWalking: false })), ...behind];
}

async function isAt(repo: Repository, tip: string, at: string): Promise<boolean> {
  const [commit] = await readHistory(repo, { from: [tip], maxCount: 1 });
  return commit?.id === at;
}

/**
 * From where on main has to be looked through for answers that are newer than `last`: the end of the list
 * where it says that there is none up to there; null where it does not.
 */
export async function noAnswerUpTo(repo: Repository, last: string | null): Promise<string | null> {
  const head = await readHead(repo);
  return head !== null && head.last_answer === last ? head.at : null;
}

/**
 * Brings the list up to main. `lastAnswer` is the newest answer, or a newer one is behind the list. It is no
 * harm where it fails: what it says stays true.
 */
export async function keepOpenTasks(
  repo: Repository,
  lastAnswer: string | null,
  clock: { readonly nowMs: number; readonly ttlMs: number },
): Promise<void> {
  const file = path.join(repo.gitDir, FILE);
  const old = await readFile(file).catch(() => null);
  const next =
    (old === null ? null : await extended(repo, old, clock).catch(() => null)) ??
    (await walked(repo, { sinceMs: clock.nowMs - clock.ttlMs - HISTORY_MARGIN_MS, maxCount: MAX_WALK }));
  if (next.tip === null) return;
  const head: ListHead = {
    at: next.tip.id,
    at_ms: next.tip.committedAtMs,
    last_answer: next.lastAnswer ?? lastAnswer,
  };
  const lines = [JSON.stringify(head)];
  for (const [id, atMs] of next.open)
    if (!isExpired(atMs, clock)) lines.push(`${id} ${Math.floor(atMs / 1000)}`);
  // Who trusts the list syncs no more than what is behind it (see `ingest`).
  await syncHistory(DISK, repo);
  await writeFileAtomic(file, `${lines.join('\n')}\n`, { mode: GROUP_MODES.file, fsync: false });
}

interface Walked {
  /** When each was asked, by task. Milliseconds since the epoch. */
  readonly open: Map<string, number>;
  readonly lastAnswer: string | null;
  readonly tip: { readonly id: string; readonly committedAtMs: number } | null;
}

/** The list, and what came behind it; null where it is not of this history. */
async function extended(repo: Repository, old: Buffer, clock: Parameters<typeof isExpired>[1]) {
  const head = readHeadOf(old);
  if (head === null) return null;
  const open = new Map<string, number>();
  for (const line of old.toString('latin1').split('\n').slice(1)) {
    const [id = '', seconds = ''] = line.split(' ');
    if (id !== '' && !isExpired(Number(seconds) * 1000, clock)) open.set(id, Number(seconds) * 1000);
  }
  const next = await walked(repo, { not: [head.at] }, open);
  return next.tip === null || next.first !== head.at ? null : next;
}

async function walked(
  repo: Repository,
  range: { readonly sinceMs?: number; readonly maxCount?: number; readonly not?: readonly string[] },
  open = new Map<string, number>(),
): Promise<Walked & { readonly first: string | null }> {
  let first: string | null = null;
  let tip: Walked['tip'] = null;
  let lastAnswer: string | null = null;
  for await (const commit of walkHistory(repo, { from: [MAIN_REF], ...range })) {
    first ??= commit.parents[0] ?? '';
    const { kind } = messageOf(commit);
    const { id, committedAtMs } = commit;
    if (kind === 'task') open.set(id, committedAtMs);
    if (kind === 'answer') {
      open.delete(commit.taskTrailer);
      lastAnswer = id;
    }
    tip = { id, committedAtMs };
  }
  return { open, lastAnswer, tip, first };
}

async function readHead(repo: Repository): Promise<ListHead | null> {
  const file = await open(path.join(repo.gitDir, FILE), 'r').catch(() => null);
  if (file === null) return null;
  try {
    const bytes = Buffer.alloc(MAX_HEAD_BYTES);
    const { bytesRead } = await file.read(bytes, 0, MAX_HEAD_BYTES, 0);
    return readHeadOf(bytes.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

function readHeadOf(bytes: Buffer): ListHead | null {
  const end = bytes.indexOf('\n');
  const read = end < 0 || end > MAX_HEAD_BYTES ? null : readStrictJson(bytes.subarray(0, end), headSchema);
  return read?.ok ? read.value : null;
}
