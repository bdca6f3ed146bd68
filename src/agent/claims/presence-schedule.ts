import type { SideRefs } from '../../bridge/side-refs.js';
import { isPresent, PRESENCE_EVERY_MS, presenceRef } from '../../protocol/presence.js';
import type { SessionCore } from '../agent-session.js';
import { type Offer, readOffer, writePresenceBlob } from './write-presence.js';

/** When and how this agent says that it is there. Times are of a clock that never jumps. */
export interface PresenceSchedule {
  /** Whether this agent says nothing: it is here for a moment only, or its name is good for no ref. */
  isOff(): boolean;
  turnOff(): void;
  /** When to say it next. */
  dueMs(): number;
  /** The ref and a new blob for it. */
  write(state: 'running' | 'stopped', busy: readonly string[]): Promise<{ ref: string; to: string }>;
  /** It is on the server. */
  shown(nowMs: number): void;
  /** When it first was there; Infinity until then. */
  shownAtMs(): number;
  /** Tries again soon. */
  retry(nowMs: number): void;
  /** Looks at what a fetch brought: warns, once, of another agent by the same name. */
  see(refs: SideRefs, serverNowMs: number): void;
}

/** Starts with asking the model servers what they have; `ready` is called when they have answered. */
export function createPresenceSchedule(
  session: SessionCore,
  signal: AbortSignal,
  ready: () => void,
): PresenceSchedule {
  let off = session.options.once;
  let dueMs = Number.POSITIVE_INFINITY;
  let shownAtMs = Number.POSITIVE_INFINITY;
  let warned = false;
  let offer: Offer = { backends: [], models: [] };
  const refresh = async () => {
    offer = await readOffer(session, signal);
  };
  if (!off) {
    void refresh().then(() => {
      dueMs = 0;
      ready();
    });
  }
  return {
    isOff: () => off || presenceRef(session.name) === null,
    turnOff() {
      off = true;
    },
    dueMs: () => (off || presenceRef(session.name) === null ? Number.POSITIVE_INFINITY : dueMs),
    async write(state, busy) {
      // What was there at the start is good enough for the first word, and too late for the last.
      if (state === 'running' && shownAtMs !== Number.POSITIVE_INFINITY) await refresh();
      return {
        ref: presenceRef(session.name) ?? '',
        to: await writePresenceBlob(session, state, offer, busy),
      };
    },
    shown(nowMs) {
      dueMs = nowMs + PRESENCE_EVERY_MS;
      shownAtMs = Math.min(shownAtMs, nowMs);
    },
    shownAtMs: () => shownAtMs,
    retry(nowMs) {
      dueMs = nowMs + 1_000;
    },
    see(refs, serverNowMs) {
      const there = refs.agents.get(session.name)?.presence;
      if (warned || !there || there.session === session.id || !isPresent(there, serverNowMs)) return;
      warned = true;
      session.options.log(
        'warn',
        `another agent answers as ${session.name}: give each PC a key of its own, so that it is known which one answered`,
      );
    },
  };
}
