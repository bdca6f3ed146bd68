import { readHistory, walkHistory } from '../git/read-history.js';
import { gitText, type Repository } from '../git/run-git.js';
import { syncHistory } from '../git/sync-history.js';
import { DISK } from '../process/durable-file.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
import { MAIN_REF } from '../protocol/names.js';
import {
  hasOpenTask,
  type ListedCommit,
  listedIn,
  readBehind,
  readListBytes,
  readListHead,
  writeOpenList,
} from './open-list.js';

/** Main may be this many commits ahead of the list before the list is brought up to it. */
export const MAX_BEHIND = 256;

/** The same for a list of fewer than MAX_BEHIND tasks. */
const MAX_BEHIND_FEW = 4096;

/** A list from history alone goes back this many commits: more than tasks are ever open. */
const MAX_WALK = 400_000;

/**
 * The list has the other commits too, as long as they are no more than this or than four times the open
 * tasks. With more of them it would save its readers little.
 */
const MAX_OTHERS = 1_000;

/** A list of MAX_OTHERS tasks without the other commits is made again after this. Milliseconds. */
const AGAIN_MS = 24 * 60 * 60_000;

/**
 * The part of history that it takes to judge these tasks: each of them that is on main, and everything that
 * may answer it, up to `tip`. Where the list helps, the tasks in it come first, then the commits after the
 * list; else everything from the oldest task on. Throws BridgeError `git-failed`.
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
  const head = await readListHead(repo);
  // All tasks are newer than the list: history is walked from them on in any case.
  if (head === null || tasks.every(({ committedAtMs }) => committedAtMs > head.at_ms)) return null;
  const list = await readListBytes(repo);
  if (list === null || list.head.at !== head.at) return null;
  const listed = tasks.map(({ id }) => id).filter((id) => hasOpenTask(list.bytes, id));
  if (listed.length === 0) return null;
  const behind = await readBehind(repo, tip, head);
  if (behind === null) return null;
  const known = new Set([...listed, ...behind.map(({ id }) => id)]);
  if (tasks.some(({ id }) => !known.has(id))) return null;
  return [...(await readHistory(repo, { from: listed, isWalking: false })), ...behind];
}

/**
 * Up to this commit of main no answer is newer than `last`: the end of the list. Null where the list does
 * not say so.
 */
export async function noAnswerUpTo(repo: Repository, last: string | null): Promise<string | null> {
  const head = await readListHead(repo);
  return head !== null && head.last_answer === last ? head.at : null;
}

/**
 * Whether main is so far ahead of the list that a reader of the list walks far. A short list, or none, may
 * be further behind than a long one. Throws BridgeError as gitText does.
 */
export async function isListBehind(repo: Repository): Promise<boolean> {
  const head = await readListHead(repo);
  const allowed = head === null || head.open < MAX_BEHIND ? MAX_BEHIND_FEW : MAX_BEHIND;
  const range = [MAIN_REF, ...(head === null ? [] : [`^${head.at}`])];
  const counting = ['rev-list', '--count', `--max-count=${allowed + 1}`, '--first-parent'];
  return Number(await gitText(repo, [...counting, ...range, '--'])) > allowed;
}

/**
 * Brings the list up to main. `lastAnswer` is the newest answer, unless a newer one is found on the way. A
 * failure does no harm: what the list says stays true.
 */
export async function keepOpenTasks(
  repo: Repository,
  lastAnswer: string | null,
  { nowMs, ttlMs }: { readonly nowMs: number; readonly ttlMs: number },
): Promise<void> {
  // Commits have whole seconds.
  const sinceMs = Math.floor((nowMs - ttlMs - HISTORY_MARGIN_MS) / 1000) * 1000;
  const next =
    (await extended(repo, { nowMs, sinceMs }).catch(() => null)) ??
    (await walked(
      repo,
      { sinceMs, maxCount: MAX_WALK },
      { commits: new Map(), walkedMs: nowMs, fromMs: sinceMs },
    ));
  if (next.tip === null) return;
  const kept = [...next.commits.values()].filter(({ atMs }) => atMs >= sinceMs);
  const open = kept.filter(({ kind }) => kind !== 'other');
  const isWhole = next.fromMs !== null && kept.length - open.length <= Math.max(MAX_OTHERS, 4 * open.length);
  const head = {
    at: next.tip.id,
    at_ms: next.tip.committedAtMs,
    last_answer: next.lastAnswer ?? lastAnswer,
    from_ms: isWhole ? sinceMs : null,
    walked_ms: next.walkedMs,
  };
  // A reader who trusts the list syncs only what is after it (see `ingest`); all before it is synced here.
  await syncHistory(DISK, repo);
  await writeOpenList(repo, head, isWhole ? kept : open);
}

/** Commits by id, in the order of history. */
interface Known {
  readonly commits: Map<string, ListedCommit>;
  readonly walkedMs: number;
  /** From this date on they are all there; null where only tasks without an answer are. */
  readonly fromMs: number | null;
}

interface Walked extends Known {
  readonly lastAnswer: string | null;
  readonly tip: { readonly id: string; readonly committedAtMs: number } | null;
  /** The parent of the first commit that was walked. */
  readonly first: string | null;
}

/** The list, and what came behind it; null where it is not of this history, or has to be made again. */
async function extended(
  repo: Repository,
  { nowMs, sinceMs }: { readonly nowMs: number; readonly sinceMs: number },
): Promise<Walked | null> {
  const list = await readListBytes(repo);
  if (list === null) return null;
  const { at, from_ms: fromMs, walked_ms: walkedMs } = list.head;
  // Too short for a longer time-to-live; or without the others, of which most may be too old by now.
  const isDue = list.head.open >= MAX_OTHERS && nowMs - walkedMs > AGAIN_MS;
  if (fromMs === null ? isDue : fromMs > sinceMs) return null;
  const listed = listedIn(list);
  if (listed === null) return null;
  const commits = new Map(listed.map((one) => [one.id, one]));
  const next = await walked(repo, { not: [at] }, { commits, walkedMs, fromMs });
  return next.tip === null || next.first !== at ? null : next;
}

async function walked(
  repo: Repository,
  range: { readonly sinceMs?: number; readonly maxCount?: number; readonly not?: readonly string[] },
  { commits, walkedMs, fromMs }: Known,
): Promise<Walked> {
  let first: string | null = null;
  let tip: Walked['tip'] = null;
  let lastAnswer: string | null = null;
  let count = 0;
  const settle = (task: string, kind: ListedCommit['kind']) => {
    const known = commits.get(task);
    if (known !== undefined && known.kind !== 'other') commits.set(task, { ...known, kind });
  };
  for await (const commit of walkHistory(repo, { from: [MAIN_REF], ...range })) {
    first ??= commit.parents[0] ?? '';
    count += 1;
    const { kind } = messageOf(commit);
    const { id, committedAtMs, taskTrailer } = commit;
    commits.set(id, { id, atMs: committedAtMs, kind: kind === 'task' ? 'open' : 'other' });
    if (kind === 'cancel') settle(taskTrailer, 'cancelled');
    if (kind === 'answer') {
      settle(taskTrailer, 'other');
      lastAnswer = id;
    }
    tip = { id, committedAtMs };
  }
  return { commits, walkedMs, fromMs: count === MAX_WALK ? null : fromMs, lastAnswer, tip, first };
}
