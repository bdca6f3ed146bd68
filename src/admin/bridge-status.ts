import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import type { LeftLock } from '../git/stale-locks.js';
import type { WhoWorks } from '../bridge/who-works.js';
import { messageOf } from '../protocol/history.js';
import { readQueue } from '../protocol/queue.js';
import { isPresent, type Presence } from '../protocol/presence.js';
import { type RecentFigures, recentFigures } from './recent-figures.js';

/** What `status` says; the JSON form of it is a contract. Times are ISO 8601, ages milliseconds. */
export interface BridgeStatus {
  readonly repo: string;
  /** Waiting for an answer, in the order of asking. */
  readonly pending: readonly {
    task: string;
    asker: string;
    asked_at: string;
    age_ms: number;
    subject: string;
  }[];
  /** How many tasks of this stretch of history were never answered in time. */
  readonly expired: number;
  /** How many answers there are in this stretch of history, errors included. */
  readonly answered: number;
  readonly last_answer: { readonly commit: string; agent: string; at: string; subject: string } | null;
  /** Records in `answers.log`; null over ssh, where it cannot be seen. */
  readonly log_records: number | null;
  /** Locks of a git that was killed, which keep others from writing; null over ssh, where they cannot be seen. */
  readonly stale_locks: readonly { readonly path: string; readonly since: string }[] | null;
  /** How the executables in `on-answer.d` are doing; null over ssh, where they cannot be seen. */
  readonly on_answer: readonly OnAnswerStatus[] | null;
  readonly recent: RecentFigures;
  /** The agents that ever said that they were there, by name. */
  readonly agents: readonly AgentStatus[];
  readonly task_ttl_ms: number;
}

/** One executable of the owner's in `on-answer.d`. */
export interface OnAnswerStatus {
  readonly name: string;
  /** `new`: it was given nothing yet. `refused`: it is not run at all, and `reason` says why. */
  readonly state: 'new' | 'ok' | 'failing' | 'refused';
  /** The newest record it took. */
  readonly last_seq: number | null;
  /** How often in a row the next one failed. */
  readonly failures: number;
  readonly reason: string | null;
  /** ISO 8601. */
  readonly next_try: string | null;
}

/** An agent, as it said of itself last. */
export interface AgentStatus {
  readonly name: string;
  /** `gone`: it did not say goodbye, and has not been seen for minutes. */
  readonly state: 'running' | 'stopped' | 'gone';
  readonly seen_at: string;
  readonly age_ms: number;
  readonly version: string;
  readonly backends: readonly string[];
  readonly models: readonly string[];
  /** How many tasks it takes at once. */
  readonly parallel: number;
  /** The tasks it has claims on now. */
  readonly busy: readonly string[];
}

/** What there is to know besides history. */
export interface StatusContext {
  readonly repoName: string;
  readonly ref: string;
  readonly nowMs: number;
  readonly ttlMs: number;
  readonly logRecords: number | null;
  readonly staleLocks: readonly LeftLock[] | null;
  readonly onAnswer: readonly OnAnswerStatus[] | null;
  readonly who: WhoWorks;
}

/** Reads the state of a bridge out of the history on `ref`, as far back as tasks can be pending. */
export async function readStatus(repo: Repository, context: StatusContext): Promise<BridgeStatus> {
  const { nowMs, ttlMs } = context;
  // A day behind the time-to-live, so that what has just expired is still seen as such.
  const commits = await readHistory(repo, { from: [context.ref], sinceMs: nowMs - ttlMs - 86_400_000 });
  const queue = readQueue(commits, { nowMs, ttlMs });
  const last = commits.findLast((commit) => messageOf(commit).kind === 'answer');
  return {
    repo: context.repoName,
    pending: queue.pending.map((task) => ({
      task: task.id,
      asker: task.asker,
      asked_at: new Date(task.askedAtMs).toISOString(),
      age_ms: Math.max(0, nowMs - task.askedAtMs),
      subject: task.subject,
    })),
    expired: queue.expired.length,
    answered: queue.answeredCount,
    last_answer:
      last === undefined
        ? null
        : {
            commit: last.id,
            agent: last.author,
            at: new Date(last.committedAtMs).toISOString(),
            subject: last.subject,
          },
    log_records: context.logRecords,
    stale_locks:
      context.staleLocks?.map((lock) => ({ path: lock.path, since: new Date(lock.sinceMs).toISOString() })) ??
      null,
    on_answer: context.onAnswer,
    recent: await recentFigures(repo, commits, nowMs),
    agents: context.who.agents.map((presence) => agentStatus(presence, context)),
    task_ttl_ms: ttlMs,
  };
}

function agentStatus(presence: Presence, { nowMs, who }: StatusContext): AgentStatus {
  const { agent, seen_at, version, backends, models, parallel } = presence;
  const state = presence.state === 'stopped' ? 'stopped' : isPresent(presence, nowMs) ? 'running' : 'gone';
  const busy = [...who.running].filter(([, name]) => name === agent).map(([task]) => task);
  const age_ms = Math.max(0, nowMs - Date.parse(seen_at));
  return { name: agent, state, seen_at, age_ms, version, backends, models, parallel, busy };
}
