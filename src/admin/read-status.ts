import { attendanceOf, attendanceProblem } from '../bridge/attendance.js';
import type { ChosenWindow, WindowWanted } from '../bridge/chosen-window.js';
import type { Repair } from '../git/repairs-log.js';
import type { Repository } from '../git/run-git.js';
import type { LeftLock } from '../git/stale-locks.js';
import type { OnAnswerStatus } from '../log/on-answer/state.js';
import { messageOf } from '../protocol/history.js';
import { isPresent, isStandby, type Presence } from '../protocol/presence.js';
import type { AgentStatus, AttendanceStatus, BridgeStatus, OpenTask, Waking } from './bridge-status.js';
import { readTasks, type TasksContext } from './read-tasks.js';
import { recentFigures } from './recent-figures.js';
import type { ListedGateway } from './running-gateways.js';
import type { TaskRow } from './task-rows.js';
import { MAX_LOOKED_INTO } from './task-waits.js';
import { wakersNow } from './who-waits.js';

/** What `status` needs besides history. */
export interface StatusContext extends TasksContext {
  /** How many of the tasks that wait are listed: the oldest. The others are counted. */
  readonly shownPending: number;
  /** What the view has brought of history. */
  readonly chosen: ChosenWindow | null;
  readonly repoName: string;
  readonly logRecords: number | null;
  readonly staleLocks: readonly LeftLock[] | null;
  readonly repairs: readonly Repair[] | null;
  readonly onAnswer: readonly OnAnswerStatus[] | null;
  readonly gateways: readonly ListedGateway[];
}

/**
 * Which tasks a status is made of. A waker may be at work for one that is not among those that are listed.
 */
export function statusWants(shownPending: number): WindowWanted {
  return { pending: Math.max(shownPending, MAX_LOOKED_INTO), expired: 0 };
}

/** Reads the state of a bridge from the history on `ref`, as far back as tasks can be pending. */
export async function readStatus(repo: Repository, context: StatusContext): Promise<BridgeStatus> {
  const { nowMs, ttlMs } = context;
  const { shownPending, chosen } = context;
  const { commits, rows, left } = await readTasks(repo, context, { ...statusWants(shownPending), chosen });
  const pending = rows.filter(({ state }) => state === 'pending');
  const shown = pending.slice(0, shownPending);
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
    pending: shown.map(openTask),
    running: rows.flatMap((row) =>
      row.agent === null || row.work === null ? [] : [{ ...openTask(row), agent: row.agent, ...row.work }],
    ),
    attendance: attendanceStatus(context),
    expired: left.expired,
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
    agents: agentStatuses(rows, context),
    waking: wakingOf(rows, context),
    task_ttl_ms: ttlMs,
    more_pending: left.pending + pending.length - shown.length,
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

/** Whether there is anybody to answer. */
export function attendanceStatus(
  context: Pick<TasksContext, 'who' | 'nowMs' | 'takesClaims'>,
): AttendanceStatus {
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

/** The agents that have ever announced themselves, and which of these tasks each has. */
export function agentStatuses(
  rows: readonly TaskRow[],
  { who, nowMs }: Pick<TasksContext, 'who' | 'nowMs'>,
): AgentStatus[] {
  return who.agents.map((presence) => agentStatus(presence, rows, nowMs));
}

function agentStatus(presence: Presence, rows: readonly TaskRow[], nowMs: number): AgentStatus {
  const { agent, seen_at, version, backends, models, parallel } = presence;
  const state = presence.state === 'stopped' ? 'stopped' : isPresent(presence, nowMs) ? 'running' : 'gone';
  const busy = rows.filter((row) => row.state === 'running' && row.agent === agent).map(({ task }) => task);
  const age_ms = Math.max(0, nowMs - Date.parse(seen_at));
  const standby_after_ms = presence.after_s === undefined ? null : presence.after_s * 1000;
  return { name: agent, state, seen_at, age_ms, version, backends, models, parallel, standby_after_ms, busy };
}
