import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { watch } from 'chokidar';
import { resolveRef } from '../git/refs.js';
import { type Repository, runGit } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF, type TaskFile } from '../protocol/names.js';
import { loginName } from './asker-name.js';
import { submitLocal } from './submit-local.js';
import { draftTaskFile, type TaskDraft } from './task-draft.js';

/** How to watch. */
export interface WatchOptions {
  readonly repo: Repository;
  /** The file a program rewrites. It need not exist yet. `….json` is read as a task.json, all else as a task.txt. */
  readonly file: string;
  readonly maxBytes: number;
  readonly taskTtlMs: number;
  /** A change counts once the file has kept its size for so long; a slow writer is not cut in half. */
  readonly settleMs: number;
  readonly name?: string;
  readonly signal: AbortSignal;
  /** Called for each task that was asked. */
  readonly onTask: (task: string, draft: TaskDraft) => void;
  /** Called for a change that is no task (not UTF-8, a bad field), and for what kept one from being asked. */
  readonly onProblem: (error: BridgeError) => void;
  /** Called once the file is watched and what was there is asked. */
  readonly onReady?: () => void;
}

/** How long to wait before a change that could not be committed (a full disk) is tried again. */
const RETRY_MS = 5_000;

/**
 * Makes every settled change of a file a task, until the signal aborts. What the file holds at the start counts as a change unless
 * it was asked already: the ref `refs/bridge/watch/<hash of the path>` remembers the last task of this file, moved in the
 * same transaction as `main`, so a restart neither repeats nor misses one. Empty and blank files are no tasks.
 */
export async function watchFile(options: WatchOptions): Promise<void> {
  const file = path.resolve(options.file);
  const taskFile: TaskFile = file.toLowerCase().endsWith('.json') ? 'task.json' : 'task.txt';
  const memory = watchRef(file);
  let turn: Promise<void> = Promise.resolve();
  let retry: NodeJS.Timeout | null = null;

  const lookAgain = (): Promise<void> => {
    turn = turn.then(async () => {
      if (options.signal.aborted) return;
      if (retry !== null) clearTimeout(retry);
      retry = null;
      try {
        await askIfChanged(options, file, taskFile, memory);
      } catch (error) {
        options.onProblem(asBridgeError(error));
        if (!(error instanceof BridgeError && error.code === 'usage'))
          retry = setTimeout(lookAgain, RETRY_MS);
      }
    });
    return turn;
  };

  const watcher = watch(file, {
    awaitWriteFinish: { stabilityThreshold: options.settleMs, pollInterval: Math.min(100, options.settleMs) },
    atomic: true,
  });
  watcher.on('add', lookAgain);
  watcher.on('change', lookAgain);
  watcher.on('error', (error) => options.onProblem(asBridgeError(error)));
  // 'add' fires for a file that was there only after it has settled; 'ready' may come before that.
  watcher.on('ready', () => options.onReady?.());
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
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    // Between a remove and the rename that replaces it there is no file; the rename is an event of its own.
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
  if (bytes.toString('latin1').trim() === '') return;
  const draft = draftTaskFile(taskFile, bytes, options.maxBytes);
  const { repo } = options;
  // The same bytes on main cannot be asked by a commit; and this covers a crash between the two refs below.
  if (await holds(repo, MAIN_REF, draft)) return;
  const last = await resolveRef(repo, memory);
  if (last !== null && (await isOnMain(repo, last)) && (await holds(repo, last, draft))) return;
  const by = { name: options.name ?? loginName(), atMs: Date.now() };
  const task = await submitLocal(repo, draft, by, options.taskTtlMs, (commit) => [
    { ref: memory, to: commit },
  ]);
  options.onTask(task, draft);
}

/** Whether a commit's task file is, byte for byte, this draft. */
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

function asBridgeError(error: unknown): BridgeError {
  if (error instanceof BridgeError) return error;
  return new BridgeError(error instanceof Error ? error.message : String(error), {
    code: 'watch-failed',
    remedy: 'check that the file can be read and that the disk has room; it is tried again',
    retryable: true,
    cause: error,
  });
}
