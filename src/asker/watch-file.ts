import { stat } from 'node:fs/promises';
import path from 'node:path';
import { watchPath } from '../bridge/watch-path.js';
import { noteWatched, type WatchedNote } from '../log/watched-log.js';
import { asUtf8 } from '../protocol/as-utf8.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { TaskFile } from '../protocol/names.js';
import { taskHash } from '../protocol/task.js';
import { type AskOnce, askOnce } from './ask-once.js';
import { type FileContent, readSettled, type SettleOptions } from './settled-file.js';
import { draftTaskFile, type TaskDraft, TaskTooLarge } from './task-draft.js';

/** Options for a watch. */
export interface WatchOptions extends SettleOptions, AskOnce {
  /**
   * The file that a program rewrites. It need not exist yet. A `.json` file is read as a task.json, any
   * other as a task.txt.
   */
  readonly file: string;
  /** The log of the bridge; what cannot be asked is noted beside it (`watched-log.ts`). */
  readonly answersLog: string;
  /**
   * Called once for a change that is no task (not UTF-8, a bad field), and where a task could not be asked.
   */
  readonly onProblem: (error: BridgeError) => void;
  /** Called at the start where the folder of the file is not there; it is waited for as well. */
  readonly onNoFolder?: (folder: string) => void;
  /** Called once the file is watched and its first content is asked. */
  readonly onReady?: () => void;
}

/** How long to wait before a change that could not be committed (a full disk) is tried again. */
const RETRY_MS = 5_000;

/**
 * Asks every settled change of a file as a task, until the signal aborts. The content at the start counts as
 * a change unless it was asked already. Empty and blank files are no tasks. A byte order mark is left out,
 * and UTF-16 is converted. What can be no task, and what was asked with another hash than the file's, is
 * noted in `watched.log`.
 */
export async function watchFile(options: WatchOptions): Promise<void> {
  const watch = new FileWatch(options);
  const { signal } = options;
  const begin = async () => {
    await watch.lookAgain();
    const folder = path.dirname(path.resolve(options.file));
    const found = await stat(folder).catch(() => null);
    if (found?.isDirectory() !== true) options.onNoFolder?.(folder);
    options.onReady?.();
  };
  const watcher = watchPath(options.file, {
    change: () => void watch.lookAgain(),
    ready: () => void begin(),
  });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await watcher.close();
  await watch.ended();
}

class FileWatch {
  readonly #options: WatchOptions;
  readonly #file: string;
  readonly #taskFile: TaskFile;
  #turn: Promise<void> = Promise.resolve();
  #isWaiting = false;
  #retry: NodeJS.Timeout | undefined;
  /** The problem that was told last, of what is tried again. */
  #told: string | null = null;
  /** The hash of the content that was refused last, and of the one that was noted last. */
  #refused: string | null = null;
  #noted: string | null = null;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#file = path.resolve(options.file);
    this.#taskFile = this.#file.toLowerCase().endsWith('.json') ? 'task.json' : 'task.txt';
  }

  lookAgain(): Promise<void> {
    // A look that waits to start will see everything that happens before it, so one is enough.
    if (this.#isWaiting) return this.#turn;
    this.#isWaiting = true;
    this.#turn = this.#turn.then(async () => {
      this.#isWaiting = false;
      const { signal, onProblem } = this.#options;
      if (signal.aborted) return;
      clearTimeout(this.#retry);
      try {
        await this.#look();
        this.#told = null;
      } catch (error) {
        if (signal.aborted) return;
        const problem = asBridgeError(error);
        // A disk that stays full is reported once, not every five seconds.
        if (problem.message !== this.#told) onProblem(problem);
        this.#told = problem.message;
        this.#retry = setTimeout(() => void this.lookAgain(), RETRY_MS);
      }
    });
    return this.#turn;
  }

  async ended(): Promise<void> {
    clearTimeout(this.#retry);
    await this.#turn;
  }

  async #look(): Promise<void> {
    const content = await readSettled(this.#file, this.#options);
    if (content === null) return;
    const draft = this.#draftOf(content);
    if (draft instanceof BridgeError) return this.#refuse(draft, content.hash);
    this.#refused = null;
    if (draft === null) return;
    await askOnce(this.#file, draft, this.#options);
    const asked_as = taskHash(draft.bytes);
    if (asked_as === content.hash) return;
    // The writer of the file waits for the hash of its bytes, and the answer comes under another.
    await this.#note(content.hash, { asked_as, error: null });
  }

  /** The task that the file holds; null where it is blank, and the reason where it can be none. */
  #draftOf({ bytes, size }: FileContent): TaskDraft | BridgeError | null {
    const { maxBytes } = this.#options;
    try {
      if (bytes === null) throw new TaskTooLarge(this.#file, size, maxBytes);
      const text = asUtf8(bytes, this.#file);
      if (text.toString('latin1').trim() === '') return null;
      return draftTaskFile(this.#taskFile, text, maxBytes, this.#file);
    } catch (error) {
      if (error instanceof BridgeError && error.code === 'usage') return error;
      throw error;
    }
  }

  /** Says what is wrong with a content, once however often it is seen. */
  async #refuse(problem: BridgeError, hash: string): Promise<void> {
    const { message, remedy } = problem;
    if (this.#refused !== hash) this.#options.onProblem(problem);
    this.#refused = hash;
    await this.#note(hash, { asked_as: null, error: { code: 'invalid_task', message, remedy } });
  }

  async #note(hash: string, what: Pick<WatchedNote, 'asked_as' | 'error'>): Promise<void> {
    if (this.#noted === hash) return;
    const { repo, answersLog } = this.#options;
    const created_at = new Date().toISOString();
    await noteWatched(
      { gitDir: repo.gitDir, answersLog },
      { task_hash: hash, ...what, file: this.#file, created_at },
    );
    this.#noted = hash;
  }
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
