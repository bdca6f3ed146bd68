import type { AgentStatus, AttendanceStatus } from '../admin/bridge-status.js';
import { type AnswerStats, answerStats } from '../log/answer-stats.js';
import type { HistoryRecord } from '../log/read-answers.js';
import { inTime } from '../process/in-time.js';
import { ApiError } from './api-errors.js';
import type { BridgeModel } from './bridge-models.js';
import type { BridgePage, BridgeState, PageRecord, PageTask } from './bridge-page.js';
import { type HourFigures, hourFigures } from './hour-figures.js';

/** Of what comes from one of several bridges: the name of the bridge. Absent where there is one. */
interface OfBridge {
  readonly bridge?: string | undefined;
}

/** What the page shows of the bridges of a gateway. */
export interface PageState {
  /** By the server's clock; of several, by that of the first that can be read. */
  readonly now: string;
  readonly attendance: AttendanceStatus;
  /** All that run, the first that wait, and the newest of the others; the oldest first. */
  readonly tasks: readonly (PageTask & OfBridge)[];
  /** How many there are, also of those that are not listed. */
  readonly counts: { readonly pending: number; readonly running: number };
  readonly agents: readonly (AgentStatus & OfBridge)[];
  readonly models: readonly BridgeModel[];
  /** Where there are several: each, and why it cannot be read now; null where it can. */
  readonly bridges: readonly { readonly name: string; readonly problem: string | null }[];
}

/** What the page asks the gateway for. All throw what reading the bridge throws. */
export interface PageData {
  state(): Promise<PageState>;
  /** Throws ApiError 404 for a task that is not there. */
  record(task: string): Promise<PageRecord & OfBridge>;
  /** The newest answers with all of these words in question, answer, names or id. */
  search(words: string): Promise<readonly (HistoryRecord & OfBridge)[]>;
  figures(): Promise<readonly HourFigures[]>;
  /** The figures of the newest answers, by model, asker, agent and day (of UTC). */
  stats(): Promise<AnswerStats>;
}

/** What the page can do besides reading. */
export interface PageActions {
  /** Cancels a task. */
  readonly cancel: (task: string) => Promise<void>;
  /** The name of a token; null where there is none like it. */
  readonly nameOf: (token: string) => string | null;
  /** Makes a token that is removed together with the token `madeBy`. Throws as addToken. */
  readonly makeToken: (name: string, madeBy: string) => Promise<string>;
}

/** A bridge as the page reads it. */
export interface PageOfBridge {
  /** Null where there is only one. */
  readonly name: string | null;
  /** Null where it could not be opened yet. */
  readonly page: BridgePage | null;
}

/** The most answers that a search finds. */
const MAX_FOUND = 50;

/** A bridge that is slower than this is shown as it was before. Milliseconds. */
const READ_MS = 5_000;

/**
 * Opens what the page reads of all bridges of a gateway. `bridges`: as they are now. `models`: as clients
 * see them, aliases among them.
 */
export function openPageData(
  bridges: () => readonly PageOfBridge[],
  models: () => Promise<readonly BridgeModel[]>,
): PageData {
  const before = new Map<string, BridgeState>();
  const named = <T>(value: T, name: string | null): T & OfBridge => ({
    ...value,
    ...(name === null ? {} : { bridge: name }),
  });

  async function stateOf({ name, page }: PageOfBridge) {
    // Where there is only one bridge, its failure is that of the page.
    if (name === null && page !== null) return { name, state: await page.state(), problem: null };
    const key = name ?? '';
    try {
      if (page === null) throw new Error('it could not be opened yet');
      const state = await soon(page.state());
      before.set(key, state);
      return { name, state, problem: null };
    } catch (error) {
      return { name, state: before.get(key) ?? null, problem: (error as Error).message };
    }
  }

  async function ofAll<T extends { readonly created_at: string }>(
    of: (page: BridgePage) => Promise<readonly T[]>,
  ): Promise<(T & OfBridge)[]> {
    const lists = await Promise.all(
      bridges().map(async ({ name, page }) => {
        if (page === null) return [];
        const read = name === null ? of(page) : soon(of(page)).catch(() => []);
        return (await read).map((record) => named(record, name));
      }),
    );
    const [only = [], ...others] = lists;
    if (others.length === 0) return only;
    return lists.flat().sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
  }

  return {
    async state() {
      const all = await Promise.all(bridges().map(stateOf));
      const known = all.flatMap(({ name, state }) => (state === null ? [] : [{ name, state }]));
      return {
        now: known[0]?.state.now ?? new Date().toISOString(),
        attendance: attendanceOfAll(known),
        tasks: byAge(known.map(({ name, state }) => state.tasks.map((task) => named(task, name)))),
        counts: {
          pending: known.reduce((sum, { state }) => sum + state.counts.pending, 0),
          running: known.reduce((sum, { state }) => sum + state.counts.running, 0),
        },
        agents: known.flatMap(({ name, state }) => state.agents.map((agent) => named(agent, name))),
        models: await models(),
        bridges: all.flatMap(({ name, problem }) => (name === null ? [] : [{ name, problem }])),
      };
    },
    async record(task) {
      let problem: unknown = new ApiError('there is no such task here', {
        ...{ status: 404, code: 'no_such_task' },
      });
      for (const { name, page } of bridges()) {
        try {
          if (page !== null) return named(await page.record(task), name);
        } catch (error) {
          if (!(error instanceof ApiError && error.status === 404)) problem = error;
        }
      }
      throw problem;
    },
    async search(words) {
      const wanted = words
        .toLowerCase()
        .split(/\s+/)
        .filter((word) => word !== '');
      if (wanted.length === 0) return [];
      const found = (await ofAll((page) => page.answers())).filter((record) => {
        const { task_commit, task_text, answer, model, agent, asker } = record;
        const text = [task_commit, task_text, answer, model, agent, asker].join('\n').toLowerCase();
        return wanted.every((word) => text.includes(word));
      });
      return found.slice(-MAX_FOUND).reverse();
    },
    figures: async () => hourFigures(await ofAll((page) => page.counted())),
    stats: async () => answerStats(await ofAll((page) => page.counted()), (iso) => iso.slice(0, 10)),
  };
}

/** The tasks of all bridges, the oldest first; of one in the order of its history. */
function byAge<T extends { readonly asked_at: string }>(lists: readonly (readonly T[])[]): readonly T[] {
  const [only = [], ...others] = lists;
  if (others.length === 0) return only;
  return lists.flat().sort((a, b) => Date.parse(a.asked_at) - Date.parse(b.asked_at));
}

/** Somebody is there where somebody is on one of them. The problem is what is wrong with each, by name. */
function attendanceOfAll(
  known: readonly { readonly name: string | null; readonly state: BridgeState }[],
): AttendanceStatus {
  const [first] = known;
  if (first === undefined) return { state: 'unknown', since: null, problem: null, remedy: null };
  if (known.length === 1) return first.state.attendance;
  const there = known.find(({ state }) => state.attendance.state === 'present');
  const problems = known.flatMap(({ name, state: { attendance } }) =>
    attendance.problem === null ? [] : [`${name ?? ''}: ${attendance.problem}`],
  );
  return {
    ...(there ?? first).state.attendance,
    problem: problems.length === 0 ? null : problems.join('; '),
  };
}

/** What `value` brings. Throws what it throws, and Error where it takes too long. */
async function soon<T>(value: Promise<T>): Promise<T> {
  const said = await inTime(value, READ_MS);
  if (said === null) throw new Error('it does not answer');
  return said.value;
}
