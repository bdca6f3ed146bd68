import { setTimeout as sleep } from 'node:timers/promises';
import { createNotifier } from '../../bridge/notifier.js';
import { readSideRefs } from '../../bridge/side-refs.js';
import { REMOTE_PREFIX } from '../../git/fetch.js';
import { claimRef } from '../../protocol/claim.js';
import { shortId } from '../../protocol/names.js';
import type { Due, SessionCore } from '../agent-session.js';
import { type Candidate, chooseTasks } from './choose-tasks.js';
import { openClaimPush } from './claim-pushes.js';
import type { Claims } from './claims.js';
import { createOthers } from './others.js';
import { createOwnClaims } from './own-claims.js';
import { createPresenceSchedule } from './presence.js';

/**
 * Alone, a claim goes out once a generation has run for so long: what is answered at once is not worth a push. Where others are known, at
 * once. Milliseconds.
 */
const CLAIM_AFTER_MS = 200;

/** Agents that a script or a power cut starts together have said so of each other after this time. Milliseconds. */
const SETTLE_MS = 5_000;

/**
 * A claim that is not answered within this time holds up no generation: the server may be away for hours. A push that fails says so at once,
 * and ssh gives up a dead network after 40 s; what takes longer than that is a server with too much to do, where going on without claims would
 * double what it has to do. Milliseconds.
 */
const CLAIM_FIRST_WAIT_MS = 45_000;

/** At the end, a push that is under way has so long to tell what became of it. Milliseconds. */
const LAST_WORD_MS = 2_000;

/** Opens the claims of a session. `ask` has the loop ask the server, soon. */
export function openClaims(session: SessionCore, ask: (what: Due) => void): Claims {
  const self = {
    get agent() {
      return session.name;
    },
    session: session.id,
  };
  const own = createOwnClaims(self);
  const others = createOthers(self);
  const notifier = createNotifier();
  const stop = new AbortController();
  const cut = new AbortController();
  const presence = createPresenceSchedule(session, stop.signal, notifier.ring);
  const push = openClaimPush({ session, own, others, presence, ask, lose });
  const firstSeen = new Map<string, number>();
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let knownAtMs = Number.NEGATIVE_INFINITY;
  let lookAgainAtMs = Number.POSITIVE_INFINITY;
  /** Tasks that were there by then were there before us. */
  let foundAtMs = Number.POSITIVE_INFINITY;
  let holdingOff = false;
  const loop = claimDue();

  async function claimDue(): Promise<void> {
    while (!stop.signal.aborted) {
      await notifier.wait(Math.max(0, push.nextDueMs() - performance.now()), stop.signal);
      if (!stop.signal.aborted && push.nextDueMs() <= performance.now()) await push.pushDue(cut.signal);
    }
  }

  /** Another has the task that we generate. */
  function lose(task: string, holder: string): void {
    own.jobs.get(task)?.decided(false);
    own.jobs.get(task)?.drop(`${holder} has it; leaving it there`);
    own.remove(task);
    own.letGo(task);
  }

  /** Until others can know of us, and we of them, those that start together would take the same tasks. */
  function isSettled(): boolean {
    return session.options.once || presence.isOff() || settledAtMs() <= knownAtMs;
  }

  function settledAtMs(): number {
    return presence.shownAtMs() + SETTLE_MS;
  }

  return {
    active: () => push.isOn(),
    known: () => own.allRemote(),
    asking() {
      askedAtMs = performance.now();
    },
    unchanged() {
      knownAtMs = askedAtMs;
      others.seeNothingNew(session.serverNow());
    },
    async fetched() {
      const refs = await readSideRefs(session.clone, session.reader, REMOTE_PREFIX).catch(() => null);
      if (refs === null) return;
      const nowMs = performance.now();
      knownAtMs = askedAtMs;
      const serverNowMs = session.serverNow();
      own.see(refs, { fetchedAtMs: askedAtMs, nowMs, serverNowMs });
      others.see(refs, { nowMs, serverNowMs });
      for (const task of [...own.jobs.keys()]) {
        const holder = own.held(task) ? null : others.holderOf(task, { nowMs, knownAtMs });
        if (holder !== null) lose(task, holder.claim.agent);
      }
      presence.see(refs, serverNowMs);
      notifier.ring();
    },
    choose(free, room, takesNoRoom) {
      let left = room;
      const fits = ({ id }: { readonly id: string }) => takesNoRoom(id) || left-- > 0;
      lookAgainAtMs = Number.POSITIVE_INFINITY;
      holdingOff = false;
      const nowMs = performance.now();
      if (!push.isOn()) return free.filter(fits).map((task) => ({ task, claimFirst: false }));
      if (knownAtMs !== Number.NEGATIVE_INFINITY) foundAtMs = Math.min(foundAtMs, nowMs);
      const known = new Set(free.map((task) => task.id));
      for (const task of firstSeen.keys()) if (!known.has(task)) firstSeen.delete(task);
      // A busy agent fetches nothing of its own: it would ask for its claims first for as long as a backlog lasts.
      if (!isSettled() && nowMs >= settledAtMs() && askedAtMs < settledAtMs()) ask('look');
      const candidates: Candidate[] = [];
      let overAtMs = Number.POSITIVE_INFINITY;
      for (const { id } of free) {
        const firstSeenMs = firstSeen.get(id) ?? nowMs;
        firstSeen.set(id, firstSeenMs);
        const holder = own.held(id) ? null : others.holderOf(id, { nowMs, knownAtMs });
        if (holder === null) candidates.push({ id, firstSeenMs, ours: own.held(id) !== undefined });
        else overAtMs = Math.min(overAtMs, holder.overAtMs);
      }
      const choice = chooseTasks(candidates, {
        self: `${self.agent}/${self.session}`,
        others: others.present(),
        busy: others.busy(nowMs),
        holdOffMs: push.holdOffMs(),
        nowMs,
        knownAtMs,
      });
      if (choice.start.length < room) {
        lookAgainAtMs = Math.min(choice.lookAgainAtMs, overAtMs);
        holdingOff = choice.lookAgainAtMs !== Number.POSITIVE_INFINITY;
      }
      const byId = new Map(free.map((task) => [task.id, task]));
      return choice.start.filter(fits).flatMap(({ id, isSure }) => {
        const task = byId.get(id);
        if (task === undefined) return [];
        const isNew = (firstSeen.get(id) ?? nowMs) > foundAtMs;
        return [{ task, claimFirst: !isSure || !(isNew || isSettled()) }];
      });
    },
    wakeInMs() {
      const settling = isSettled() || !push.isOn() ? Number.POSITIVE_INFINITY : settledAtMs();
      return Math.max(Math.min(lookAgainAtMs, settling) - performance.now(), 0);
    },
    isHoldingOff: () => holdingOff,
    async begin(task, claimFirst, { drop, signal }) {
      if (!push.isOn() || stop.signal.aborted) return true;
      const nowMs = performance.now();
      const waitMs = claimFirst || others.any(nowMs) ? 0 : CLAIM_AFTER_MS;
      const decided = new Promise<boolean>((resolve) => {
        own.add({ task, claimAtMs: nowMs + waitMs, drop, decided: resolve });
      });
      notifier.ring();
      if (!claimFirst || own.held(task) !== undefined) return true;
      const enough = new AbortController();
      const either = AbortSignal.any([signal, enough.signal]);
      const late = sleep(CLAIM_FIRST_WAIT_MS, true, { signal: either }).catch(() => true);
      try {
        return await Promise.race([decided, late]);
      } finally {
        enough.abort();
      }
    },
    end(task) {
      own.jobs.get(task)?.decided(true);
      own.remove(task);
      notifier.ring();
    },
    endsOf: (tasks) =>
      tasks.flatMap((task) => {
        const held = own.held(task);
        return held === undefined ? [] : [{ ref: claimRef(task), id: held.id }];
      }),
    ended(ends) {
      for (const { ref } of ends) {
        own.letGo(ref.slice(claimRef('').length));
        own.setRemote(ref, null);
      }
    },
    async close(release) {
      stop.abort();
      if (release === null) cut.abort();
      const late = setTimeout(() => cut.abort(), LAST_WORD_MS);
      await loop.catch(() => {});
      clearTimeout(late);
      if (release === null) return;
      const left = await push.release(release);
      if (left.length === 0) return;
      const ids = left.map(shortId).join(', ');
      session.options.log('info', `not released: ${ids}; others wait until the claims run out`);
    },
  };
}
