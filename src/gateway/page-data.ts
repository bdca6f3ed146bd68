import type { AgentStatus, AttendanceStatus } from '../admin/bridge-status.js';
import { agentStatuses, attendanceStatus } from '../admin/read-status.js';
import { placesOf, readTasks, tasksContext } from '../admin/read-tasks.js';
import { newestRows, type TaskRow } from '../admin/task-rows.js';
import { findAnswer } from '../asker/find-answer.js';
import { findTask } from '../asker/find-task.js';
import { openObjectReader } from '../git/object-reader.js';
import { type AnswerStats, answerStats } from '../log/answer-stats.js';
import { type HistoryRecord, readAnswers } from '../log/read-answers.js';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { ApiError } from './api-errors.js';
import type { BridgeModel } from './bridge-models.js';
import type { Calls } from './calls.js';
import { type HourFigures, hourFigures } from './hour-figures.js';

/** A task as the page lists it. Times are ISO 8601. */
export interface PageTask extends TaskRow {
  /** Of a pending task: how many are before it, plus one. Null otherwise. */
  readonly place: number | null;
  /** About how long it takes until it is answered, milliseconds; null where nothing says that. */
  readonly about_ms: number | null;
}

/** What the page shows of a bridge. */
export interface PageState {
  /** By the server's clock. */
  readonly now: string;
  readonly attendance: AttendanceStatus;
  /** All that are open, and the newest of the others; the oldest first. */
  readonly tasks: readonly PageTask[];
  readonly agents: readonly AgentStatus[];
  readonly models: readonly BridgeModel[];
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
  /** What shows the commits, to be typed where the bridge is. */
  readonly git: string;
}

/** What the page asks the gateway for. All throw what reading the bridge throws. */
export interface PageData {
  state(): Promise<PageState>;
  /** Throws ApiError 404 for a task that is not there. */
  record(task: string): Promise<PageRecord>;
  /** The newest answers with all of these words in question, answer, names or id. */
  search(words: string): Promise<readonly HistoryRecord[]>;
  figures(): Promise<readonly HourFigures[]>;
  /** The figures of the newest answers, by model, asker, agent and day (of UTC). */
  stats(): Promise<AnswerStats>;
}

/** What the page can have done besides reading. */
export interface PageActions {
  /** Cancels a task. */
  readonly cancel: (task: string) => Promise<void>;
  /** The name of a token; null where there is none like it. */
  readonly nameOf: (token: string) => string | null;
}

/** Tasks that are over, of which the page shows the newest. */
const SHOWN_DONE = 50;

/** So many of the newest answers are searched, and make the charts and tables: some tenths of a second. */
const MAX_ANSWERS = 2_000;
const MAX_FOUND = 50;

/** A longer task is a photo, or a book. Bytes. */
const MAX_SHOWN_BYTES = 256 * 1024;

/** However many pages are open, nothing is read more often than this. Milliseconds. */
const STATE_AGE_MS = 1_000;
const ANSWERS_AGE_MS = 15_000;

/** Opens the page's way to the bridge of these calls. `models`: as clients see them, aliases among them. */
export function openPageData(
  calls: Pick<Calls, 'view' | 'who'>,
  models: () => Promise<readonly BridgeModel[]>,
): PageData {
  const { view } = calls;
  const answers = kept(ANSWERS_AGE_MS, () => readAnswers(view.repo, view.ref, { count: MAX_ANSWERS }));
  const state = kept(STATE_AGE_MS, async (): Promise<PageState> => {
    const context = tasksContext(view, await calls.who());
    const known = await readTasks(view.repo, context);
    const places = await placesOf(view.repo, known, context);
    const tasks = newestRows(known.rows, SHOWN_DONE).map((row): PageTask => {
      const { place = null, aboutMs = null } = row.state === 'pending' ? (places.get(row.task) ?? {}) : {};
      return { ...row, place, about_ms: row.waits_for === null ? aboutMs : null };
    });
    return {
      now: new Date(context.nowMs).toISOString(),
      attendance: attendanceStatus(context),
      tasks,
      agents: agentStatuses(known.rows, context),
      models: await models(),
    };
  });
  return {
    state,
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
    async search(words) {
      const wanted = words
        .toLowerCase()
        .split(/\s+/)
        .filter((word) => word !== '');
      if (wanted.length === 0) return [];
      const found = (await answers()).filter((record) => {
        const { task_commit, task_text, answer, model, agent, asker } = record;
        const text = [task_commit, task_text, answer, model, agent, asker].join('\n').toLowerCase();
        return wanted.every((word) => text.includes(word));
      });
      return found.slice(-MAX_FOUND).reverse();
    },
    figures: async () => hourFigures(await answers()),
    stats: async () => answerStats(await answers(), (iso) => iso.slice(0, 10)),
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

/** Makes something once for all who ask within a time; what failed is made again by the next. */
function kept<T>(ageMs: number, make: () => Promise<T>): () => Promise<T> {
  let last: { readonly value: Promise<T>; readonly atMs: number } | null = null;
  return () => {
    if (last !== null && performance.now() - last.atMs < ageMs) return last.value;
    const made = { value: make(), atMs: performance.now() };
    last = made;
    made.value.catch(() => {
      if (last === made) last = null;
    });
    return made.value;
  };
}
