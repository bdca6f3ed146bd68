import type { ObjectReader } from '../git/object-reader.js';
import { walkHistory } from '../git/read-history.js';
import { readRefFile } from '../git/ref-files.js';
import { resolveRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { type Answer, readAnswer } from '../protocol/answer.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import type { RecordTask } from '../protocol/log-record.js';
import { MAIN_REF } from '../protocol/names.js';
import { TaskRecords } from './task-records.js';

/** An answer, its commit in history, and what a record says of its task. */
export interface WalkedAnswer {
  readonly commit: HistoryCommit;
  readonly answer: Answer;
  readonly task: RecordTask;
}

/**
 * Reads the answer of a commit: null where the commit is not an answer, the reason where it only looks like
 * one.
 */
export async function answerOf(
  reader: ObjectReader,
  tasks: TaskRecords,
  commit: HistoryCommit,
): Promise<WalkedAnswer | { readonly reason: string } | null> {
  const message = messageOf(commit);
  if (message.kind !== 'answer') return null;
  const blob = await reader.read(message.change.newId);
  if (blob === null) return { reason: 'is not in the repository' };
  // The hook checked the size when the answer came in. A limit that was lowered since
  // does not remove it from the log.
  const read = readAnswer(blob.content, Number.POSITIVE_INFINITY);
  if (!read.ok) return { reason: read.reason };
  return { commit, answer: read.value, task: await tasks.of(read.value.task_commit) };
}

/** The answers among these commits, in the order of the log's lines: the log has a line for each. */
export async function* walkAnswers(
  repo: Repository,
  reader: ObjectReader,
  commits: AsyncIterable<HistoryCommit>,
): AsyncGenerator<WalkedAnswer> {
  const tasks = new TaskRecords(repo, reader);
  for await (const commit of commits) {
    tasks.see(commit);
    const found = await answerOf(reader, tasks, commit);
    // Only a history made without our hook has a commit that merely looks like an
    // answer. It has no line and no number.
    if (found !== null && 'answer' in found) yield found;
  }
}

/**
 * The commits of `main` after `last`, the oldest first; all of them where `last` is null. `end` is a later
 * commit up to which there is no other answer: where it is on main, the walk begins after it. Throws
 * BridgeError `log-not-of-history` before it yields any, where `last` is not on main.
 */
export async function* walkMainSince(
  repo: Repository,
  last: string | null,
  end: string | null = null,
): AsyncGenerator<HistoryCommit> {
  if (end !== null) {
    const walk = walkMainAfter(repo, end);
    // The first step shows whether `end` is on main.
    const first = await walk.next().catch((error: unknown) => {
      if (error instanceof BridgeError && error.code === 'log-not-of-history') return null;
      throw error;
    });
    if (first !== null) {
      if (!first.done) yield first.value;
      yield* walk;
      return;
    }
  }
  if (last === null) yield* walkHistory(repo, { from: [MAIN_REF] });
  else yield* walkMainAfter(repo, last);
}

/**
 * The commits of `main` after one of them. Throws BridgeError `log-not-of-history` where `last` is not on
 * main.
 */
async function* walkMainAfter(repo: Repository, last: string): AsyncGenerator<HistoryCommit> {
  if (await isTip(repo, last)) return;
  // git also walks from a commit that exists but is not on main (main was set back by hand, or the log
  // belongs to a copy). To continue after it would number other answers than history does.
  let isOnMain = false;
  try {
    for await (const commit of walkHistory(repo, { from: [MAIN_REF], not: [last] })) {
      if (!isOnMain && commit.parents[0] !== last) throw notOfHistory(last);
      isOnMain = true;
      yield commit;
    }
  } catch (cause) {
    // git fails where it does not have the commit.
    throw isOnMain || !(cause instanceof BridgeError) || cause.code !== 'git-failed'
      ? cause
      : notOfHistory(last, cause);
  }
  if (!isOnMain && (await resolveRef(repo, MAIN_REF)) !== last) throw notOfHistory(last);
}

/**
 * Whether main is known to be at this commit. Reads the file of the ref, without a git process; where there
 * is no such file, the answer is false.
 */
async function isTip(repo: Repository, commit: string): Promise<boolean> {
  return (await readRefFile(repo.gitDir, MAIN_REF)) === commit;
}

function notOfHistory(last: string, cause?: unknown): BridgeError {
  return new BridgeError(`answers.log ends with commit ${last}, which is not in the history of main`, {
    code: 'log-not-of-history',
    remedy:
      'if the log is not of this bridge, move it away and run "llm-bridge ingest"; else look at "git fsck"',
    cause,
  });
}

/** A sequence and its first elements, which were read ahead. */
export interface Ahead<T> {
  /** The whole sequence where all of it was read ahead, else null. */
  readonly seen: readonly T[] | null;
  /** The whole sequence from its beginning. It can be read once. */
  readonly all: AsyncIterable<T>;
}

/** Reads up to `max` elements ahead. Throws what the sequence throws there. */
export async function lookAhead<T>(source: AsyncGenerator<T>, max: number): Promise<Ahead<T>> {
  const seen: T[] = [];
  for (;;) {
    const next = await source.next();
    if (next.done) return { seen, all: from(seen) };
    seen.push(next.value);
    if (seen.length > max) return { seen: null, all: from(seen, source) };
  }
}

async function* from<T>(seen: readonly T[], rest?: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* seen;
    if (rest !== undefined) yield* rest;
  } finally {
    // Needed also where the reader stops early; otherwise git would continue to walk.
    await rest?.return(undefined);
  }
}
