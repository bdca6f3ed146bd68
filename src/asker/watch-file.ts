import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchPath } from '../bridge/watch-path.js';
import { resolveRef, updateRefs } from '../git/refs.js';
import { clearTheWay } from '../git/repair-bridge.js';
import { type Repository, runGit } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF, type TaskFile } from '../protocol/names.js';
import { identified, submitLocal } from './submit-local.js';
import { draftTaskFile, loginName, type TaskDraft } from './task-draft.js';

/** Options for a watch. */
export interface WatchOptions {
  readonly repo: Repository;
  /**
   * The file that a program rewrites. It need not exist yet. A `.json` file is read as a task.json, any other
   * as a task.txt.
   */
  readonly file: string;
  readonly maxBytes: number;
  readonly taskTtlMs: number;
  /** A change counts once the file was left alone for this long, so that a slow writer is not cut in half. */
  readonly settleMs: number;
  readonly name?: string;
  readonly signal: AbortSignal;
  /** Called for each task that was asked. */
  readonly onTask: (task: string, draft: TaskDraft) => void;
  /** Called for a change that is no task (not UTF-8, a bad field), and where a task could not be asked. */
  readonly onProblem: (error: BridgeError) => void;
  /** Called once the file is watched and its first content is asked. */
  readonly onReady?: () => void;
}

/** How long to wait before a change that could not be committed (a full disk) is tried again. */
const RETRY_MS = 5_000;

/**
 * Asks every settled change of a file as a task, until the signal aborts. The content at the start counts as
 * a change unless it was asked already. For that the ref `refs/bridge/watch/<hash of the path>` remembers the
 * last task of this file. It moves in the same transaction as `main`, so a restart neither repeats nor misses
 * a task. Empty and blank files are no tasks.
 */
export async function watchFile(options: WatchOptions): Promise<void> {
  const file = path.resolve(options.file);
  const taskFile: TaskFile = file.toLowerCase().endsWith('.json') ? 'task.json' : 'task.txt';
  const memory = watchRef(file);
  let turn: Promise<void> = Promise.resolve();
  let waiting = false;
  let retry: NodeJS.Timeout | null = null;
  let told: string | null = null;

  const lookAgain = (): Promise<void> => {
    // A look that waits to start will see everything that happens before it, so one is enough.
    if (waiting) return turn;
    waiting = true;
    turn = turn.then(async () => {
      waiting = false;
      if (options.signal.aborted) return;
      if (retry !== null) clearTimeout(retry);
      retry = null;
      try {
        await askIfChanged(options, file, taskFile, memory);
        told = null;
      } catch (error) {
        if (options.signal.aborted) return;
        const problem = asBridgeError(error);
        const isRetried = problem.code !== 'usage';
        // A disk that stays full is reported once, not every five seconds.
        if (!isRetried || problem.message !== told) options.onProblem(problem);
        told = isRetried ? problem.message : null;
        if (isRetried) retry = setTimeout(lookAgain, RETRY_MS);
      }
    });
    return turn;
  };

  const watcher = watchPath(file, {
    change: lookAgain,
    ready: () => void lookAgain().then(() => options.onReady?.()),
    error: (error) => options.onProblem(asBridgeError(error)),
  });
  await new Promise<void>((resolve) => {
    if (options.signal.aborted) resolve();
    options.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await watcher.close();
  if (retry !== null) clearTimeout(retry);
  await turn;
}

async function askIfChanged(
  options: WatchOptions,
  file: string,
  taskFile: TaskFile,
  memory: string,
): Promise<void> {
  const bytes = await readSettled(file, options.settleMs, options.signal);
  if (bytes.toString('latin1').trim() === '') return;
  const draft = draftTaskFile(taskFile, bytes, options.maxBytes);
  const { repo } = options;
  await clearTheWay(repo, { waitMs: RETRY_MS, now: Date.now });
  const last = await resolveRef(repo, memory);
  if (last !== null && (await isOnMain(repo, last)) && (await holds(repo, last, draft))) return;
  const by = { name: options.name ?? loginName(), atMs: Date.now() };
  const main = await resolveRef(repo, MAIN_REF);
  if (main !== null && (await holds(repo, main, draft))) {
    // Another asker has just asked these bytes, and a commit cannot ask them again. This file has said them
    // all the same. The ref must remember that: otherwise a change back to the earlier content would look
    // like no change.
    const outcome = await updateRefs(identified(repo, by), [{ ref: memory, to: main }], 'watch');
    if (outcome !== 'updated') throw notRemembered(file);
    return;
  }
  const task = await submitLocal(repo, draft, by, options.taskTtlMs, (commit) => [
    { ref: memory, to: commit },
  ]);
  options.onTask(task, draft);
}

/** The file's bytes once it was left alone for `settleMs`; empty where there is no file. */
async function readSettled(file: string, settleMs: number, signal: AbortSignal): Promise<Buffer> {
  for (;;) {
    const before = await statFile(file);
    if (before === null) return Buffer.alloc(0);
    // ctime, not mtime, which a copy may keep from long ago. A date in the future (a file server's clock)
    // says nothing about the age.
    const ageMs = Date.now() - before.ctimeMs;
    const restMs = ageMs >= 0 ? settleMs - ageMs : settleMs;
    if (restMs > 0) await sleep(Math.ceil(restMs), undefined, { signal });
    const bytes = await readFile(file).catch(absent);
    const after = await statFile(file);
    if (bytes !== null && after !== null && isSame(before, after)) return bytes;
  }
}

async function statFile(file: string): Promise<Stats | null> {
  return stat(file).catch(absent);
}

/**
 * Between a remove and the rename that replaces the file there is none; the rename is an event of its own.
 */
function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

function isSame(a: Stats, b: Stats): boolean {
  return a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.size === b.size && a.ino === b.ino;
}

/** Whether a commit's task file equals this draft byte for byte. */
async function holds(repo: Repository, commit: string, draft: TaskDraft): Promise<boolean> {
  const then = await resolveRef(repo, `${commit}:${draft.file}`);
  const now = await runGit(repo, ['hash-object', '-t', 'blob', '--stdin', '--no-filters'], {
    input: draft.bytes,
  });
  return then !== null && now.exitCode === 0 && now.stdout.toString('utf8').trim() === then;
}

async function isOnMain(repo: Repository, commit: string): Promise<boolean> {
  return (await runGit(repo, ['merge-base', '--is-ancestor', commit, MAIN_REF])).exitCode === 0;
}

function watchRef(file: string): string {
  return `refs/bridge/watch/${createHash('sha256').update(file).digest('hex').slice(0, 32)}`;
}

function notRemembered(file: string): BridgeError {
  return new BridgeError(`what ${file} says is asked, and that could not be noted`, {
    code: 'watch-failed',
    remedy: 'nothing need be done: it is tried again',
    retryable: true,
  });
}

function asBridgeError(error: unknown): BridgeError {
  if (error instanceof BridgeError) return error;
  return new BridgeError(error instanceof Error ? error.message : String(error), {
    code: 'watch-failed',
    remedy: 'check that the file can be read and that the disk has room; it is tried again',
    retryable: true,
    cause: error,
  });
}
