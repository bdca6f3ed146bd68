import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { GROUP_MODES } from '../process/group-files.js';
import type { HistoryCommit } from '../protocol/history.js';
import { readStrictJson } from '../protocol/strict-json.js';

/**
 * The list of open tasks, in a bridge: a head, which is a line of JSON, then a line for each task without an
 * answer and for each other commit, in the order of history. It is a copy of what history says up to a
 * commit of main, so that nobody walks past fifty thousand open tasks. It may be lost, old, or of another
 * history at any time: then history is walked.
 */
const FILE = 'bridge/open-tasks';

const headSchema = z.strictObject({
  /** The commit of main up to which it is true. */
  at: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/),
  /** Its date. Milliseconds since the epoch. */
  at_ms: z.number(),
  /** The newest answer up to there; null where there is none. */
  last_answer: z.string().nullable(),
  /**
   * All commits from this date on are listed, milliseconds since the epoch; null: only tasks without an
   * answer are, because there are so many others.
   */
  from_ms: z.number().nullable(),
  /** How many tasks without an answer it has, and how many lines. */
  open: z.number(),
  commits: z.number(),
  /**
   * When it was last made from history alone, and not from an earlier list. Milliseconds since the epoch.
   */
  walked_ms: z.number(),
});
export type ListHead = z.infer<typeof headSchema>;

/** A commit of the list: a task without an answer, one that is cancelled as well, or anything else. */
export interface ListedCommit {
  readonly id: string;
  /** Its date. Milliseconds since the epoch. */
  readonly atMs: number;
  readonly kind: 'open' | 'cancelled' | 'other';
}

/** The most bytes of the head of a list. */
const MAX_HEAD_BYTES = 512;

/** Reads the bytes of the list; null where there is none whose head can be read. */
export async function readListBytes(
  repo: Repository,
): Promise<{ readonly head: ListHead; readonly bytes: Buffer } | null> {
  const bytes = await readFile(path.join(repo.gitDir, FILE)).catch(() => null);
  const head = bytes === null ? null : listHeadOf(bytes);
  return bytes === null || head === null ? null : { head, bytes };
}

/** Whether a list has this task without an answer. */
export function hasOpenTask(bytes: Buffer, task: string): boolean {
  return bytes.includes(`\n${task} `);
}

/**
 * Calls `tell` for each commit of a list: its kind, its date in milliseconds, and where its id stands in the
 * bytes. It makes no objects, because most commits are only counted, and fifty thousand objects take as long
 * as all the rest. False where the list is torn, as after a power cut: then commits are missing.
 */
export function scanList(
  { head, bytes }: { readonly head: ListHead; readonly bytes: Buffer },
  tell: (kind: ListedCommit['kind'], atMs: number, idFrom: number, idTo: number) => void,
): boolean {
  const idLength = head.at.length;
  let count = 0;
  for (let at = bytes.indexOf(LINE_END) + 1; at < bytes.length; count += 1) {
    const isOther = bytes[at] === DASH;
    const idFrom = isOther ? at + 1 : at;
    const idTo = idFrom + idLength;
    if (bytes[idTo] !== BLANK) return false;
    let seconds = 0;
    let end = idTo + 1;
    for (let byte = bytes[end] ?? 0; byte >= ZERO && byte <= ZERO + 9; byte = bytes[end] ?? 0) {
      seconds = seconds * 10 + byte - ZERO;
      end += 1;
    }
    const isCancelled = bytes[end] === BLANK;
    if (isCancelled) end += CANCELLED.length;
    if (bytes[end] !== LINE_END) return false;
    tell(isOther ? 'other' : isCancelled ? 'cancelled' : 'open', seconds * 1000, idFrom, idTo);
    at = end + 1;
  }
  return count === head.commits;
}

const LINE_END = 0x0a;
const BLANK = 0x20;
const DASH = 0x2d;
const ZERO = 0x30;
const CANCELLED = ' cancelled';

/** All commits of a list; null where it is torn. */
export function listedIn(list: { readonly head: ListHead; readonly bytes: Buffer }): ListedCommit[] | null {
  const commits: ListedCommit[] = [];
  const isWhole = scanList(list, (kind, atMs, from, to) =>
    commits.push({ id: list.bytes.toString('latin1', from, to), atMs, kind }),
  );
  return isWhole ? commits : null;
}

/**
 * Replaces the list. Its loss does no harm, so nothing waits for the disk. Throws what the system throws.
 */
export async function writeOpenList(
  repo: Repository,
  about: Omit<ListHead, 'open' | 'commits'>,
  commits: readonly ListedCommit[],
): Promise<void> {
  const open = commits.filter(({ kind }) => kind !== 'other').length;
  const lines = [JSON.stringify({ ...about, open, commits: commits.length } satisfies ListHead)];
  for (const { id, atMs, kind } of commits) {
    const seconds = Math.floor(atMs / 1000);
    if (kind === 'other') lines.push(`-${id} ${seconds}`);
    else lines.push(`${id} ${seconds}${kind === 'cancelled' ? CANCELLED : ''}`);
  }
  const file = path.join(repo.gitDir, FILE);
  await writeFileAtomic(file, `${lines.join('\n')}\n`, { mode: GROUP_MODES.file, fsync: false });
}

/** Reads only the head of the list; null where there is none that can be read. */
export async function readListHead(repo: Repository): Promise<ListHead | null> {
  const file = await open(path.join(repo.gitDir, FILE), 'r').catch(() => null);
  if (file === null) return null;
  try {
    const bytes = Buffer.alloc(MAX_HEAD_BYTES);
    const { bytesRead } = await file.read(bytes, 0, MAX_HEAD_BYTES, 0);
    return listHeadOf(bytes.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/** The head in the bytes of a list, or in their beginning. */
function listHeadOf(bytes: Buffer): ListHead | null {
  const end = bytes.indexOf('\n');
  const read = end < 0 || end > MAX_HEAD_BYTES ? null : readStrictJson(bytes.subarray(0, end), headSchema);
  return read?.ok ? read.value : null;
}

/**
 * The commits after the list, up to `tip`, the oldest first. Null where the list is not of this history: git
 * also walks where the commit of the list is not on main, because main was set back or the list is of
 * another bridge. Throws BridgeError `git-failed`, also where that commit is not there.
 */
export async function readBehind(
  repo: Repository,
  tip: string,
  head: ListHead,
): Promise<readonly HistoryCommit[] | null> {
  const behind = await readHistory(repo, { from: [tip], not: [head.at] });
  if (behind.length > 0) return behind[0]?.parents[0] === head.at ? behind : null;
  const [commit] = await readHistory(repo, { from: [tip], maxCount: 1 });
  return commit?.id === head.at ? behind : null;
}
