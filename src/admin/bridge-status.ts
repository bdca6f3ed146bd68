import { type Attendance, attendanceOf, attendanceProblem } from '../bridge/attendance.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import type { Repair } from '../git/repairs-log.js';
import type { Repository } from '../git/run-git.js';
import type { LeftLock } from '../git/stale-locks.js';
import type { OnAnswerStatus } from '../log/on-answer/state.js';
import { messageOf } from '../protocol/history.js';
import { isPresent, isStandby, type Presence } from '../protocol/presence.js';
import { type RunningWork, readTaskHistory, type TaskRow, taskRows, withWaits } from './list-tasks.js';
import { type RecentFigures, recentFigures } from './recent-figures.js';
import type { ListedGateway } from './running-gateways.js';
import type { WaitsFor } from './task-waits.js';
import { type WhoIsWaited, wakersNow } from './who-waits.js';

/** The output of `status`; its JSON form is a contract. Times are ISO 8601, ages milliseconds. */
export interface BridgeStatus {
  readonly repo: string;
  /** By the server's clock. */
  readonly now: string;
  /** Waiting for an agent to take them, in the order of asking. */
  readonly pending: readonly OpenTask[];
  /** Being answered, in the order of asking. */
  readonly running: readonly (OpenTask & { readonly agent: string } & RunningWork)[];
  /** Whether there is anybody to answer. */
  readonly attendance: AttendanceStatus;
  /** How many tasks of this part of history were never answered in time. */
  readonly expired: number;
  /** How many answers this part of history has, errors included. */
  readonly answered: number;
  /** `task` is the id that every command takes; `commit` brought the answer. */
  readonly last_answer: {
    readonly task: string;
    readonly commit: string;
    readonly agent: string;
    readonly at: string;
    readonly subject: string;
  } | null;
  /** Records in `answers.log`; null over ssh, where it cannot be seen. */
  readonly log_records: number | null;
  /**
   * Locks of a git that was killed, which keep others from writing; null over ssh, where they cannot be seen.
   */
  readonly stale_locks: readonly { readonly path: string; readonly since: string }[] | null;
  /** The automatic repairs of the last day, after a killed git or a power cut; null over ssh. */
  readonly repairs: readonly Repair[] | null;
  /** How the executables in `on-answer.d` are doing; null over ssh, where they cannot be seen. */
  readonly on_answer: readonly OnAnswerStatus[] | null;
  /** The gateways of this bridge that run on this machine, by address. */
  readonly gateways: readonly { readonly url: string; readonly started_at: string }[];
  readonly recent: RecentFigures;
  /** The agents that have ever announced themselves, by name. */
  readonly agents: readonly AgentStatus[];
  /** Who is being woken, and by whom, for tasks that still wait. */
  readonly waking: readonly Waking[];
  readonly task_ttl_ms: number;
}

/** A task without an answer. */
export interface OpenTask {
  readonly task: string;
  readonly asker: string;
  readonly asked_at: string;
  readonly age_ms: number;
  readonly subject: string;
  /** The agents that it waits for, where only agents that are away have its model; null otherwise. */
  readonly waits_for: WaitsFor | null;
  /**
   * Of a pending task: whom it waits for. Null otherwise, and where agents do not say that they are there.
   */
  readonly waiting: WhoIsWaited | null;
}

/**
 * Whether there is anybody to answer, as `bridge/attendance.ts` judges it. `since`: of `absent`, when the
 * last agent was seen, ISO 8601; null where there never was one. `problem` and `remedy`: what is wrong, for
 * a person.
 */
export interface AttendanceStatus {
  readonly state: Attendance['state'];
  readonly since: string | null;
  readonly problem: string | null;
  readonly remedy: string | null;
}

/** The last state an agent announced. */
export interface AgentStatus {
  readonly name: string;
  /** `gone`: it did not say goodbye, and was not seen for minutes. */
  readonly state: 'running' | 'stopped' | 'gone';
  readonly seen_at: string;
  readonly age_ms: number;
  readonly version: string;
  readonly backends: readonly string[];
  readonly models: readonly string[];
  /** How many tasks it takes at once. */
  readonly parallel: number;
  /** Of a standby: it takes only what has waited for so long. Null for any other agent. */
  readonly standby_after_ms: number | null;
  /** The tasks in `running` that it has. */
  readonly busy: readonly string[];
}

/** That a PC is being woken, by `llm-bridge wake` with the key `by`. Times are ISO 8601. */
export interface Waking {
  readonly by: string;
  readonly task: string;
  /** The agents that could answer: those that have its model, or all. */
  readonly agents: readonly string[];
  readonly since: string;
}

/** What `status` needs besides history. */
export interface StatusContext {
  readonly repoName: string;
  readonly ref: string;
  readonly nowMs: number;
  readonly ttlMs: number;
  readonly logRecords: number | null;
  readonly staleLocks: readonly LeftLock[] | null;
  readonly repairs: readonly Repair[] | null;
  readonly onAnswer: readonly OnAnswerStatus[] | null;
  readonly gateways: readonly ListedGateway[];
  readonly who: WhoWorks;
  /** False where agents do not say that they are there. */
  readonly takesClaims: boolean;
}

/** Reads the state of a bridge from the history on `ref`, as far back as tasks can be pending. */
export async function readStatus(repo: Repository, context: StatusContext): Promise<BridgeStatus> {
  const { nowMs, ttlMs } = context;
  const commits = await readTaskHistory(repo, context);
  const plain = taskRows(commits, { nowMs, ttlMs, running: context.who.running });
  const rows = await withWaits(repo, commits, plain, context);
  const subjects = new Map(commits.map(({ id, subject }) => [id, subject]));
  const openTask = ({ task, asker, asked_at, waits_for, waiting }: TaskRow): OpenTask => ({
    task,
    asker,
    asked_at,
    age_ms: Math.max(0, nowMs - Date.parse(asked_at)),
    subject: subjects.get(task) ?? '',
    waits_for,
    waiting,
  });
  const last = commits.findLast((commit) => messageOf(commit).kind === 'answer');
  return {
    repo: context.repoName,
    now: new Date(nowMs).toISOString(),
    pending: rows.filter(({ state }) => state === 'pending').map(openTask),
    running: rows.flatMap((row) =>
      row.agent === null || row.work === null ? [] : [{ ...openTask(row), agent: row.agent, ...row.work }],
    ),
    attendance: attendanceStatus(context),
    expired: rows.filter(({ state }) => state === 'expired').length,
    answered: commits.filter((commit) => messageOf(commit).kind === 'answer').length,
    last_answer:
      last === undefined
        ? null
        : {
            task: last.taskTrailer,
            commit: last.id,
            agent: last.author,
            at: new Date(last.committedAtMs).toISOString(),
            subject: last.subject,
          },
    log_records: context.logRecords,
    stale_locks:
      context.staleLocks?.map((lock) => ({ path: lock.path, since: new Date(lock.sinceMs).toISOString() })) ??
      null,
    repairs: context.repairs,
    on_answer: context.onAnswer,
    gateways: context.gateways
      .filter(({ isRunning }) => isRunning)
      .map(({ url, started_at }) => ({ url, started_at })),
    recent: await recentFigures(repo, commits, nowMs),
    agents: context.who.agents.map((presence) => agentStatus(presence, rows, nowMs)),
    waking: wakingOf(rows, context),
    task_ttl_ms: ttlMs,
  };
}

function wakingOf(rows: readonly TaskRow[], { who, nowMs }: StatusContext): Waking[] {
  return wakersNow(who, nowMs).flatMap(({ agent, work = [] }) => {
    const said = work.find(({ phase }) => phase === 'waking');
    const row = rows.find(({ task, state }) => task === said?.task && state === 'pending');
    if (said === undefined || row === undefined) return [];
    const known = who.agents.filter((one) => !isStandby(one)).map(({ agent: name }) => name);
    const agents = row.waiting?.agents.map(({ name }) => name) ?? known;
    return [{ by: agent, task: said.task, agents, since: said.since }];
  });
}

function attendanceStatus(context: StatusContext): AttendanceStatus {
  const { nowMs } = context;
  const attendance = attendanceOf(context.who, context);
  const found = attendanceProblem(attendance, nowMs);
  const last = attendance.state === 'absent' ? attendance.last : null;
  return {
    state: attendance.state,
    since: last === null ? null : new Date(last.seenMs).toISOString(),
    problem: found?.text ?? null,
    remedy: found?.remedy ?? null,
  };
}

function agentStatus(presence: Presence, rows: readonly TaskRow[], nowMs: number): AgentStatus {
  const { agent, seen_at, version, backends, models, parallel } = presence;
  const state = presence.state === 'stopped' ? 'stopped' : isPresent(presence, nowMs) ? 'running' : 'gone';
  const busy = rows.filter((row) => row.state === 'running' && row.agent === agent).map(({ task }) => task);
  const age_ms = Math.max(0, nowMs - Date.parse(seen_at));
  const standby_after_ms = presence.after_s === undefined ? null : presence.after_s * 1000;
  return { name: agent, state, seen_at, age_ms, version, backends, models, parallel, standby_after_ms, busy };
}
