import type { AgentStatus, AttendanceStatus } from '../admin/bridge-status.js';
import { agentStatuses, attendanceStatus } from '../admin/read-status.js';
import { placesOf, readTasks, tasksContext } from '../admin/read-tasks.js';
import { newestRows, type TaskRow } from '../admin/task-rows.js';
import { findAnswer } from '../asker/find-answer.js';
import { findTask } from '../asker/find-task.js';
import { MAX_PLACED } from '../bridge/task-places.js';
import { openObjectReader } from '../git/object-reader.js';
import type { StatsRecord } from '../log/answer-stats.js';
import { LargeMessages, MAX_FIGURES_BYTES } from '../log/large-messages.js';
import type { HistoryRecord } from '../log/read-answers.js';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { ApiError } from './api-errors.js';
import type { Calls } from './calls.js';
import { keptFor } from './kept-for.js';
import { NewestAnswers } from './newest-answers.js';

/** A task as the page lists it. Times are ISO 8601. */
export interface PageTask extends TaskRow {
  /** Of a pending task: how many are before it, plus one. Null otherwise. */
  readonly place: number | null;
  /** About how long it takes until it is answered, milliseconds; null where nothing says that. */
  readonly about_ms: number | null;
  /** About how many tokens a second are generated of a running task; null where its stream is not heard. */
  readonly tokens_per_s: number | null;
}

/** What the page shows of one bridge. */
export interface BridgeState {
  /** By the server's clock. */
  readonly now: string;
  readonly attendance: AttendanceStatus;
  /** All that run, the first that wait, and the newest of the others; the oldest first. */
  readonly tasks: readonly PageTask[];
  /** How many there are, also of those that are not listed, and when the oldest that waits was asked. */
  readonly counts: {
    readonly pending: number;
    readonly running: number;
    readonly oldest_pending_at: string | null;
  };
  readonly agents: readonly AgentStatus[];
}

/** One task, with what was asked and answered as it stands in the record. */
export interface PageRecord {
  readonly task: string;
  readonly asker: string;
  readonly asked_at: string;
  /** The file and its text; null where it is too long to be shown. */
  readonly file: string;
  readonly text: string | null;
  /** The commit and the fields of the answer; null where there is none yet. */
  readonly answer: HistoryRecord | null;
  /** The command that shows the commits: on the machine of the bridge, or in a clone of it. */
  readonly git: string;
}

/** What the page reads of one bridge. All throw what reading the bridge throws. */
export interface BridgePage {
  state(): Promise<BridgeState>;
  /** Throws ApiError 404 for a task that is not there. */
  record(task: string): Promise<PageRecord>;
  /** The newest answers, the oldest first. */
  answers(): Promise<readonly HistoryRecord[]>;
  /** The figures of the answers, from further back than `answers`. */
  counted(): Promise<readonly StatsRecord[]>;
}

/** The page shows so many of the tasks that wait, the first ones: nobody reads fifty thousand. */
const SHOWN_PENDING = 200;

/** The page shows so many of the tasks that are over, the newest ones. */
const SHOWN_DONE = 50;

/** The text of a longer task is not shown: it is a photo, or a book. Bytes. */
const MAX_SHOWN_BYTES = 256 * 1024;

/** However many pages are open, nothing is read more often than this. Milliseconds. */
const STATE_AGE_MS = 1_000;

/**
 * An agent that begins with a task does not ring, so the refs beside main are read again after this time: on
 * the machine of the bridge, and from a server elsewhere while a task is open, as `status --watch` does.
 * Milliseconds.
 */
const WHO_HERE_MS = 1_000;
const WHO_ELSEWHERE_MS = 5_000;
const ANSWERS_AGE_MS = 15_000;

/** Opens the page's way to the bridge of these calls. */
export function openBridgePage(calls: Pick<Calls, 'view' | 'who' | 'rates'>): BridgePage {
  const { view } = calls;
  const newest = new NewestAnswers(view, new LargeMessages(view, { maxBytes: MAX_FIGURES_BYTES }));
  let isOpen = false;
  const state = keptFor(STATE_AGE_MS, async (): Promise<BridgeState> => {
    const whoAgeMs = view.isLocal ? WHO_HERE_MS : isOpen ? WHO_ELSEWHERE_MS : undefined;
    const context = tasksContext(view, await calls.who(whoAgeMs));
    // The place of each depends on all that wait, also on those that are not shown.
    const known = await readTasks(view.repo, context, { pending: MAX_PLACED, expired: SHOWN_DONE });
    const places = await placesOf(view.repo, known, context);
    const pending = known.rows.filter((row) => row.state === 'pending');
    const running = known.rows.filter((row) => row.state === 'running');
    const left = new Set(pending.slice(SHOWN_PENDING));
    isOpen = pending.length + running.length > 0;
    const rates = calls.rates(running.map(({ task }) => task));
    const shown = newestRows(known.rows, SHOWN_DONE).filter((row) => !left.has(row));
    const tasks = shown.map((row): PageTask => {
      const { place = null, aboutMs = null } = row.state === 'pending' ? (places.get(row.task) ?? {}) : {};
      const about_ms = row.waits_for === null ? aboutMs : null;
      return { ...row, place, about_ms, tokens_per_s: rates.get(row.task) ?? null };
    });
    return {
      now: new Date(context.nowMs).toISOString(),
      attendance: attendanceStatus(context),
      tasks,
      counts: {
        pending: pending.length + known.left.pending,
        running: running.length,
        oldest_pending_at: pending[0]?.asked_at ?? null,
      },
      agents: agentStatuses(known.rows, context),
    };
  });
  return {
    state,
    answers: keptFor(ANSWERS_AGE_MS, () => newest.whole()),
    counted: keptFor(ANSWERS_AGE_MS, () => newest.counted()),
    async record(prefix) {
      const task = await findTask(view, prefix).catch((error: unknown) => {
        if (error instanceof BridgeError && error.code === 'usage') return null;
        throw error;
      });
      if (task === null)
        throw new ApiError('there is no such task here', { status: 404, code: 'no_such_task' });
      const found = await findAnswer(view, task.id);
      const { file, text } = await textOf(task);
      const commits = [task.id, ...(found === null ? [] : [found.commit])];
      const where = view.isLocal ? `git -C ${shellQuote(view.repo.gitDir)}` : 'git';
      return {
        task: task.id,
        asker: task.author,
        asked_at: new Date(task.committedAtMs).toISOString(),
        file,
        text,
        answer: found === null ? null : { commit: found.commit, ...found.asked, ...found.answer },
        git: `${where} show ${commits.join(' ')}`,
      };
    },
  };

  async function textOf(task: HistoryCommit) {
    const message = messageOf(task);
    if (message.kind !== 'task') return { file: 'task.json', text: null };
    const { file, change } = message;
    await view.requireFile(task, { maxBytes: MAX_SHOWN_BYTES });
    const reader = openObjectReader(view.repo);
    try {
      const blob = await reader.read(change.newId, MAX_SHOWN_BYTES);
      return { file, text: blob === null ? null : Buffer.from(blob.content).toString('utf8') };
    } finally {
      reader.close();
    }
  }
}
