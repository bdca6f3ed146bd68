import { taskRows } from '../admin/task-rows.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import { readHistory } from '../git/read-history.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
import { isExpired } from '../protocol/queue.js';

/**
 * How many tasks of a bridge wait or are being answered, whoever asked them. History is read once, when
 * somebody first wants to know; from then on only new commits are looked at.
 */
export class OpenTasks {
  readonly #view: BridgeView;
  /** When each open task was asked, by its id. Null before anybody wanted to know. */
  #open: Map<string, number> | null = null;
  #reading: Promise<void> | null = null;
  /** What came while history was read. */
  #heard: HistoryCommit[] = [];

  constructor(view: BridgeView) {
    this.#view = view;
  }

  /** How many there are now. Throws what reading the bridge throws. */
  async count(): Promise<number> {
    if (this.#open === null) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = null;
      });
      await this.#reading;
    }
    const open = this.#open ?? new Map<string, number>();
    const { serverNow, taskTtlMs: ttlMs } = this.#view.terms;
    const nowMs = serverNow();
    for (const [task, askedMs] of open) if (isExpired(askedMs, { nowMs, ttlMs })) open.delete(task);
    return open.size;
  }

  /** These are new on main. */
  take(commits: readonly HistoryCommit[]): void {
    if (this.#reading !== null) this.#heard.push(...commits);
    if (this.#open === null) return;
    for (const commit of commits) {
      const { kind } = messageOf(commit);
      if (kind === 'task') this.#open.set(commit.id, commit.committedAtMs);
      else if (kind === 'answer' || kind === 'cancel') this.#open.delete(commit.taskTrailer);
    }
  }

  /** We have asked this one ourselves: our own commits are not told as new. */
  asked(task: string): void {
    this.#open?.set(task, this.#view.terms.serverNow());
  }

  /** We have cancelled this one ourselves. */
  cancelled(task: string): void {
    this.#open?.delete(task);
  }

  async #read(): Promise<void> {
    this.#heard = [];
    const { repo, ref, terms } = this.#view;
    const { taskTtlMs: ttlMs } = terms;
    const nowMs = terms.serverNow();
    const commits = await readHistory(repo, { from: [ref], sinceMs: nowMs - ttlMs - HISTORY_MARGIN_MS });
    const rows = taskRows(commits, { nowMs, ttlMs, running: new Map() });
    const pending = rows.filter(({ state }) => state === 'pending');
    this.#open = new Map(pending.map(({ task, asked_at }) => [task, Date.parse(asked_at)]));
    this.take(this.#heard.splice(0));
  }
}
