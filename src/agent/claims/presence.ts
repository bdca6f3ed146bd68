import type { SideRefs } from '../../bridge/side-refs.js';
import { writeBlob } from '../../git/commit-file.js';
import type { BackendName } from '../../protocol/names.js';
import { isPresent, PRESENCE_EVERY_MS, presenceRef, writePresence } from '../../protocol/presence.js';
import type { SessionCore } from '../agent-session.js';
import { lmstudioBackend } from '../backends/lmstudio/lmstudio-backend.js';
import { ollamaBackend } from '../backends/ollama/ollama-backend.js';

/** When and how this agent says that it is there. Times are of a clock that never jumps. */
export interface PresenceSchedule {
  /** Whether this agent says nothing, because it is here for a moment only. */
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
    isOff: () => off,
    turnOff() {
      off = true;
    },
    dueMs: () => (off ? Number.POSITIVE_INFINITY : dueMs),
    async write(state, busy) {
      // What was there at the start is good enough for the first word, and too late for the last.
      if (state === 'running' && shownAtMs !== Number.POSITIVE_INFINITY) await refresh();
      return {
        ref: presenceRef(session.name),
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

/** A model server on this machine lists its models at once, or is not there. Milliseconds. */
const LIST_TIMEOUT_MS = 2_000;

/** What the model servers of this agent have to offer. */
export interface Offer {
  readonly backends: readonly BackendName[];
  readonly models: readonly string[];
}

/** Asks the model servers for their models. One that does not answer is left out; never throws. */
export async function readOffer(session: SessionCore, signal: AbortSignal): Promise<Offer> {
  const { generate } = session.options;
  const open = {
    ollama: () => ollamaBackend(generate.ollamaUrl),
    lmstudio: () => lmstudioBackend(generate.lmstudioUrl),
  };
  const listed = await Promise.all(
    generate.order.map(async (name) => {
      const within = AbortSignal.any([signal, AbortSignal.timeout(LIST_TIMEOUT_MS)]);
      const models = await open[name]()
        .listModels(within)
        .catch(() => null);
      return models === null ? [] : [{ name, models }];
    }),
  );
  const found = listed.flat();
  return {
    backends: [...new Set(found.map(({ name }) => name))],
    models: [...new Set(found.flatMap(({ models }) => models))],
  };
}

/** Writes a presence into the clone and answers its blob. */
export async function writePresenceBlob(
  session: SessionCore,
  state: 'running' | 'stopped',
  offer: Offer,
  busy: readonly string[],
): Promise<string> {
  const presence = writePresence({
    agent: session.name,
    session: session.id,
    state,
    version: session.options.version,
    backends: [...offer.backends],
    models: [...offer.models],
    parallel: session.options.parallel,
    busy: [...busy],
    started_at: new Date(session.serverNow() - session.runningMs()).toISOString(),
    seen_at: new Date(session.serverNow()).toISOString(),
  });
  return writeBlob(session.clone, presence);
}
