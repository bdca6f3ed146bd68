import { connectBridge } from '../../bridge/connection.js';
import { writeBlob } from '../../git/commit-file.js';
import { pushSideRefs, type SideRefChange } from '../../git/push.js';
import { CLAIMS_PREFIX, claimRef, DEFAULT_CLAIM_LEASE_MS, writeClaim } from '../../protocol/claim.js';
import type { Refusal } from '../../protocol/refusal.js';
import type { Due, SessionCore } from '../agent-session.js';
import { HOLD_OFF_MS } from './choose-tasks.js';
import type { Others } from './others.js';
import type { OwnClaims } from './own-claims.js';
import type { PresenceSchedule } from './presence.js';

/** What goes into one push, below the 60 refs the server takes. */
const MAX_CHANGES = 50;

/** A lease is renewed when a third of it is over, so that two renewals may be lost. */
const RENEW_AFTER = 1 / 3;

/** What is due a little later goes along, so that several generations do not push in turn. */
const TOGETHER = 1 / 6;

/** Waits after a push that did not get through: a second, then twice as long each time, with jitter. Milliseconds. */
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15_000;

/** However slow a push is, an agent that vanished is not waited for longer than this. Milliseconds. */
const MAX_HOLD_OFF_MS = 10_000;

/** A claim of another that has been over for so long, on a task that is not pending, is cleared away in passing. Milliseconds. */
const SWEEP_AFTER_MS = 30_000;

/** The pushes of claims and of presence, one at a time. */
export interface ClaimPush {
  /** Whether the bridge takes claims, as far as is known. */
  isOn(): boolean;
  /** When there is something to push; Infinity: nothing. By a clock that never jumps. */
  nextDueMs(): number;
  /** How long to leave to another what falls to it: at least HOLD_OFF_MS, and twice what a push takes here. Milliseconds. */
  holdOffMs(): number;
  /** Pushes what is due, in one push. Never throws: a claim that cannot be made holds up no answer. */
  pushDue(signal: AbortSignal): Promise<void>;
  /** Lets go of every claim, and says goodbye. Answers the tasks whose claims stayed. Never throws. */
  release(signal: AbortSignal): Promise<readonly string[]>;
}

/** What the pushes need to know, and whom to tell. */
export interface ClaimPushContext {
  readonly session: SessionCore;
  readonly own: OwnClaims;
  readonly others: Others;
  readonly presence: PresenceSchedule;
  /** Has the loop ask the server: it has something that we do not know (`fetch`), or may have by now (`look`). */
  readonly ask: (what: Due) => void;
  /** A task that is generated here belongs to another. */
  readonly lose: (task: string, holder: string) => void;
}

/** Opens them. */
export function openClaimPush(context: ClaimPushContext): ClaimPush {
  const { session, own, others, presence } = context;
  let off = false;
  let failures = 0;
  let retryAtMs = 0;
  let pushTakesMs = 0;
  const { clone, options } = session;
  const url = session.connection.address.url;
  const leaseMs = () => session.terms?.claimLeaseMs ?? null;
  const isOn = () => !off && leaseMs() !== null;
  const finished = () => new Set(session.finished.map((one) => one.taskId));

  async function collect(nowMs: number): Promise<Change[]> {
    const lease = leaseMs() ?? DEFAULT_CLAIM_LEASE_MS;
    const changes: Change[] = [];
    const waiting = finished();
    const due = own.due(nowMs, waiting).length === 0 ? [] : own.due(nowMs + lease * TOGETHER, waiting);
    if (due.length > 0) {
      // One blob for all: it names no task.
      const to = await writeBlob(
        clone,
        writeClaim({ agent: session.name, session: session.id, until: until(lease) }),
      );
      for (const task of due.slice(0, MAX_CHANGES))
        changes.push({ kind: 'claim', task, ...change(claimRef(task), to) });
    }
    for (const task of own.orphans(nowMs, waiting)) {
      changes.push({ kind: 'end', task, ...change(claimRef(task), null) });
    }
    if (presence.dueMs() <= nowMs) {
      const { ref, to } = await presence.write('running', [...own.jobs.keys()]);
      changes.unshift({ kind: 'presence', task: '', ...change(ref, to) });
      const pending = new Set(session.queue?.pending.map((task) => task.id));
      for (const [task, { overAtMs }] of others.claimed()) {
        if (pending.has(task) || overAtMs + SWEEP_AFTER_MS > nowMs) continue;
        changes.push({ kind: 'end', task, ...change(claimRef(task), null) });
      }
    }
    // What is to go and is not known to be there need not go.
    return changes.filter(({ to, from }) => to !== null || from !== null).slice(0, MAX_CHANGES);
  }

  function change(ref: string, to: string | null): SideRefChange {
    return { ref, to, from: own.remote(ref) };
  }

  function until(lease: number): string {
    return new Date(session.serverNow() + lease).toISOString();
  }

  function take(changes: readonly Change[], pushed: ReadonlySet<string>, startedMs: number): void {
    const nowMs = performance.now();
    for (const { kind, task, ref, to } of changes) {
      if (!pushed.has(ref)) {
        if (kind === 'presence') presence.retry(nowMs);
        continue;
      }
      own.setRemote(ref, to);
      if (kind === 'presence') {
        presence.shown(nowMs);
        context.ask('look');
      }
      if (kind === 'end') own.letGo(task);
      if (kind !== 'claim' || to === null) continue;
      const renewAtMs = startedMs + (leaseMs() ?? DEFAULT_CLAIM_LEASE_MS) * RENEW_AFTER;
      own.hold(task, { id: to, renewAtMs, knownSinceMs: nowMs });
      own.jobs.get(task)?.decided(true);
    }
    if (pushed.size === changes.length) return;
    // Somebody else was there first, or an earlier push of ours was, whose end we did not hear. A fetch tells.
    retryAtMs = nowMs + FIRST_RETRY_MS;
    context.ask('fetch');
  }

  function beRefused(refusal: Refusal, changes: readonly Change[]): void {
    const nowMs = performance.now();
    const ref = /refs\/bridge\/(?:claims|agents)\/[A-Za-z0-9._-]+/.exec(refusal.text)?.[0] ?? '';
    const task = ref.startsWith(CLAIMS_PREFIX) ? ref.slice(CLAIMS_PREFIX.length) : null;
    retryAtMs = nowMs + FIRST_RETRY_MS;
    switch (refusal.code) {
      case 'claimed':
        if (task !== null) {
          others.postpone(task, nowMs + (leaseMs() ?? DEFAULT_CLAIM_LEASE_MS) * RENEW_AFTER);
          context.lose(task, /held by (\S+)/.exec(refusal.text)?.[1] ?? 'another agent');
          retryAtMs = nowMs;
        }
        break;
      case 'answered':
      case 'expired':
      case 'unknown-task':
        // The next fetch brings the answer; until then the task is not to be begun again.
        if (task !== null) {
          session.settled.add(task);
          own.jobs.get(task)?.decided(false);
          own.jobs.get(task)?.drop('answered by another, or out of time');
          own.remove(task);
          retryAtMs = nowMs;
        }
        break;
      case 'stale':
        break;
      case 'clock':
        session.terms = null;
        break;
      case 'internal':
        // The hook itself failed, for want of memory say; that passes.
        backOff(changes);
        return;
      default:
        off = true;
        // Also those that were not in this push: no other is made.
        for (const job of own.jobs.values()) job.decided(true);
        options.log('info', `going on without claims: the server refused one: ${refusal.text}`);
        return;
    }
    context.ask('fetch');
  }

  function backOff(changes: readonly Change[]): void {
    decideAll(changes);
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** failures, MAX_RETRY_MS);
    retryAtMs = performance.now() + delayMs * (0.5 + Math.random() / 2);
    failures += 1;
  }

  function decideAll(changes: readonly Change[]): void {
    for (const { task } of changes) own.jobs.get(task)?.decided(true);
  }

  return {
    isOn,
    holdOffMs: () => Math.min(Math.max(HOLD_OFF_MS, 2 * pushTakesMs), MAX_HOLD_OFF_MS),
    nextDueMs() {
      if (!isOn() || session.tip === null) return Number.POSITIVE_INFINITY;
      return Math.max(retryAtMs, Math.min(own.nextDueMs(finished()), presence.dueMs()));
    },
    async pushDue(signal) {
      const startedMs = performance.now();
      let changes: Change[] = [];
      try {
        changes = await collect(startedMs);
        if (changes.length === 0) {
          retryAtMs = startedMs + FIRST_RETRY_MS;
          return;
        }
        await connectBridge(session.connection, signal);
        const outcome = await pushSideRefs({ repo: clone, url, signal }, changes);
        if (outcome.status === 'pushed') failures = 0;
        pushTakesMs = (pushTakesMs + performance.now() - startedMs) / 2;
        if (outcome.status === 'pushed') take(changes, outcome.refs, startedMs);
        else beRefused(outcome.refusal, changes);
      } catch {
        // The loop of the agent says what is wrong with the server, and goes on until it works; so does this.
        backOff(changes);
      }
    },
    async release(signal) {
      const waiting = finished();
      const left = new Set(own.heldTasks().filter((task) => !waiting.has(task)));
      if (!isOn()) return [];
      try {
        const changes: SideRefChange[] = [...left].map((task) => ({
          ref: claimRef(task),
          to: null,
          from: own.held(task)?.id ?? null,
        }));
        if (presence.shownAtMs() !== Number.POSITIVE_INFINITY && !presence.isOff()) {
          const { ref, to } = await presence.write('stopped', []);
          changes.push(change(ref, to));
        }
        for (let at = 0; at < changes.length; at += MAX_CHANGES) {
          const outcome = await pushSideRefs(
            { repo: clone, url, signal },
            changes.slice(at, at + MAX_CHANGES),
          );
          if (outcome.status === 'refused') break;
          for (const ref of outcome.refs) left.delete(ref.slice(CLAIMS_PREFIX.length));
        }
      } catch {
        // Whatever stayed runs out by itself.
      }
      return [...left];
    },
  };
}

/** One ref of a push, and what it is to us. */
type Change = SideRefChange & { readonly kind: 'claim' | 'end' | 'presence'; readonly task: string };
