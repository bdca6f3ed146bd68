import * as z from 'zod';
import { sessionSchema } from './claim.js';
import { agentOfRef, backendNameSchema, commitIdSchema, principalNameSchema } from './names.js';
import { type ReadResult, readExactJson, writeExactJson } from './strict-json.js';
import { instantSchema } from './task.js';
import { excerpt, lengthOf, textOf, toWellFormed } from './text.js';

/** The prefix of presence refs: one ref per agent, pointing at a blob. Presences are not part of history. */
export const AGENTS_PREFIX = 'refs/bridge/agents/';

/** The most bytes of a presence. */
export const MAX_PRESENCE_BYTES = 4096;

/**
 * How often an agent renews its presence: often enough for `llm-bridge status`, seldom enough for the
 * server's disk.
 */
export const PRESENCE_EVERY_MS = 2 * 60_000;

/**
 * An agent that was not seen for two and a half renewals counts as gone: it was killed, or its PC sleeps.
 */
export const PRESENCE_FRESH_MS = 5 * 60_000;

/**
 * How far a presence may be dated ahead of the server's clock. An agent knows that clock to about a second.
 * Milliseconds.
 */
export const MAX_PRESENCE_AHEAD_MS = 60_000;

/** A presence lists at most this many models, and no longer names. */
export const MAX_PRESENCE_MODELS = 20;
const MAX_MODEL_CHARS = 100;

/** A presence lists at most this many models in memory: a machine with room for more is rare. */
export const MAX_PRESENCE_LOADED = 8;

/** A presence lists at most this many model servers. */
const MAX_PRESENCE_BACKENDS = 16;

/** A presence lists at most this many tasks. */
export const MAX_PRESENCE_BUSY = 16;

/** The longest that a standby waits: 30 days, longer than bridges keep tasks. Seconds. */
export const MAX_AFTER_S = 30 * 24 * 60 * 60;

/**
 * What an agent does for one task. `phase` is `waiting` while no model server can be reached, `loading` from
 * the request to the first token (the model is loaded, the prompt is read), then `generating`. The word is
 * open: a reader shows one that it does not know as it is.
 */
const presenceWorkSchema = z.strictObject({
  task: commitIdSchema,
  phase: z.string().regex(/^[a-z][a-z-]{0,31}$/, 'must be a short lower-case word'),
  /** When the agent began with this task. */
  since: instantSchema,
  /** The model that was asked; absent before one was chosen. */
  model: textOf(1, MAX_MODEL_CHARS).optional(),
});
export type PresenceWork = z.infer<typeof presenceWorkSchema>;

/** What an agent says about itself. Times are by the server's clock, as far as the agent knows it. */
export const presenceSchema = z.strictObject({
  agent: principalNameSchema,
  session: sessionSchema,
  /** `stopped`: the agent ended in good order at `seen_at`. */
  state: z.enum(['running', 'stopped']),
  /** The version of llm-bridge. */
  version: textOf(1, 64),
  /** The model servers that the agent reached when it wrote this. */
  backends: z.array(backendNameSchema).max(MAX_PRESENCE_BACKENDS),
  /** The models it found on them. */
  models: z.array(textOf(1, MAX_MODEL_CHARS)).max(MAX_PRESENCE_MODELS),
  /**
   * Those of its models (`models.ts`) that were in memory; absent where none was, or nobody says. Only for a
   * server with the feature `models`: an older one refuses it.
   */
  loaded: z.array(textOf(1, MAX_MODEL_CHARS)).min(1).max(MAX_PRESENCE_LOADED).optional(),
  /** How many tasks it answers at once. */
  parallel: z.int().min(1).max(64),
  /**
   * Of a standby alone: it takes only what has waited for so many seconds, so nobody counts on it before.
   * Only for a server with the feature `standby`: an older one refuses it.
   */
  after_s: z.int().min(1).max(MAX_AFTER_S).optional(),
  /**
   * True where none of its model servers has a private address, or no model of theirs runs there: it answers
   * no task that no third party may read. Only for a server with the feature `standby`, too.
   */
  cloud: z.boolean().optional(),
  /** The tasks it was answering. */
  busy: z.array(commitIdSchema).max(MAX_PRESENCE_BUSY),
  /** What it does for them, as far as there is room; absent where it works at none. */
  work: z.array(presenceWorkSchema).min(1).max(MAX_PRESENCE_BUSY).optional(),
  started_at: instantSchema,
  seen_at: instantSchema,
});
export type Presence = z.infer<typeof presenceSchema>;

/**
 * The bytes of a presence. What does not fit is left out: models first, because a reader can do without the
 * end of the list; then those in memory, then what is done for the last tasks. The names of models in `work`
 * are cut.
 */
export function writePresence(presence: Presence): Buffer {
  const models = tellable(presence.models, MAX_PRESENCE_MODELS);
  const loaded = tellable(presence.loaded ?? [], MAX_PRESENCE_LOADED);
  const busy = presence.busy.slice(0, MAX_PRESENCE_BUSY);
  const { work: given = [], loaded: _, ...rest } = presence;
  const work = given.slice(0, MAX_PRESENCE_BUSY).map(boundedWork);
  for (;;) {
    const optional = {
      ...(loaded.length === 0 ? {} : { loaded }),
      ...(work.length === 0 ? {} : { work }),
    };
    const bytes = writeExactJson({ ...rest, models, busy, ...optional }, presenceSchema);
    const isDone = bytes.length <= MAX_PRESENCE_BYTES;
    if (isDone || (models.pop() ?? loaded.pop() ?? work.pop()) === undefined) return bytes;
  }
}

function tellable(names: readonly string[], max: number): string[] {
  return names
    .map(toWellFormed)
    .filter((name) => name !== '' && lengthOf(name) <= MAX_MODEL_CHARS)
    .slice(0, max);
}

function boundedWork({ model = '', ...work }: PresenceWork): PresenceWork {
  return model === '' ? work : { ...work, model: excerpt(toWellFormed(model), MAX_MODEL_CHARS) };
}

/** Reads the bytes of a presence. Accepts only bytes that writePresence would write. */
export function readPresence(bytes: Uint8Array): ReadResult<Presence> {
  return readExactJson(bytes, presenceSchema, MAX_PRESENCE_BYTES);
}

/** The ref of an agent's presence. */
export function presenceRef(agent: string): string {
  return `${AGENTS_PREFIX}${agent}`;
}

/** The agent whose presence this ref is, or null where the ref is not a presence. */
export function agentOfPresenceRef(ref: string): string | null {
  return agentOfRef(AGENTS_PREFIX, ref);
}

/** Whether this is the presence of a standby, which takes only what has waited for its time. */
export function isStandby({ after_s }: Pick<Presence, 'after_s'>): boolean {
  return after_s !== undefined;
}

/** Whether this agent is expected to take tasks as they come: it is there, and no standby. */
export function isExpected(
  presence: Pick<Presence, 'state' | 'seen_at' | 'after_s'>,
  nowMs: number,
): boolean {
  return isPresent(presence, nowMs) && !isStandby(presence);
}

/**
 * Whether this agent is there. `nowMs` is the server's clock. A presence that is dated further ahead than an
 * agent can be wrong about that clock does not count: the agent would be expected for too long.
 */
export function isPresent(presence: Pick<Presence, 'state' | 'seen_at'>, nowMs: number): boolean {
  const ageMs = nowMs - Date.parse(presence.seen_at);
  return presence.state === 'running' && ageMs <= PRESENCE_FRESH_MS && -ageMs <= MAX_PRESENCE_AHEAD_MS;
}

/**
 * The phases in the presence of a waker (`llm-bridge wake`). It is `stopped`, because it answers nothing and
 * nobody is to wait for it, and it has `work`, which an agent that stopped has not. `waking`: it tries to
 * wake an agent for that task; `watching`: it has done so, and waits for the next time.
 */
export const WAKER_PHASES = ['waking', 'watching'] as const;

/**
 * The phase of a task that an agent has not taken yet, because it is busy with tasks of other bridges, which
 * nobody sees on this one.
 */
export const QUEUED_PHASE = 'queued';

/** Whether this is the presence of a waker, which wakes agents and is none itself. */
export function isWaker({ state, work = [] }: Pick<Presence, 'state' | 'work'>): boolean {
  const phases: readonly string[] = WAKER_PHASES;
  return state === 'stopped' && work.some(({ phase }) => phases.includes(phase));
}
