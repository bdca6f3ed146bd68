import type { Attendance } from '../bridge/attendance.js';
import type { Repair } from '../git/repairs-log.js';
import type { OnAnswerStatus } from '../log/on-answer/state.js';
import type { RecentFigures } from './recent-figures.js';
import type { RunningWork } from './task-rows.js';
import type { WaitsFor } from './task-waits.js';
import type { WhoIsWaited } from './who-waits.js';

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
   * Locks of a git that was killed, which keep others from writing; null over ssh, where they cannot be
   * seen.
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
  /**
   * How many more tasks wait than `pending` lists: a person is shown the oldest. 0 in JSON, which has all.
   */
  readonly more_pending: number;
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
  /** Of a standby: it takes only tasks that have waited this long. Null for any other agent. */
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
