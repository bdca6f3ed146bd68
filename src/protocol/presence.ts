import * as z from 'zod';
import { sessionSchema } from './claim.js';
import { backendNameSchema, commitIdSchema, principalNameSchema } from './names.js';
import { type ReadResult, readExactJson, writeExactJson } from './strict-json.js';
import { instantSchema } from './task.js';

/** Where agents say that they are there: one ref an agent, pointing at a blob. Outside of history. */
export const AGENTS_PREFIX = 'refs/bridge/agents/';

/** The most bytes of a presence. */
export const MAX_PRESENCE_BYTES = 4096;

/** How often an agent says again that it is there: often enough for a board, seldom enough for the server's disk. */
export const PRESENCE_EVERY_MS = 2 * 60_000;

/** An agent that was not seen for two and a half of those is not counted on any more: it was killed, or its PC sleeps. */
export const PRESENCE_FRESH_MS = 5 * 60_000;

/** More models than this are not listed, nor longer names. */
export const MAX_PRESENCE_MODELS = 20;
const MAX_MODEL_CHARS = 100;

/** More tasks at once than this are not listed. */
export const MAX_PRESENCE_BUSY = 16;

/** What an agent says of itself. Times are by the server's clock, as far as the agent knows it. */
export const presenceSchema = z.strictObject({
  agent: principalNameSchema,
  session: sessionSchema,
  /** `stopped`: it ended in good order at `seen_at`. */
  state: z.enum(['running', 'stopped']),
  /** Of llm-bridge. */
  version: z.string().min(1).max(64),
  /** The model servers it reached when it wrote this. */
  backends: z.array(backendNameSchema).max(2),
  /** The models it found there. */
  models: z.array(z.string().min(1).max(MAX_MODEL_CHARS)).max(MAX_PRESENCE_MODELS),
  /** How many tasks it answers at once. */
  parallel: z.int().min(1).max(64),
  /** The tasks it was answering. */
  busy: z.array(commitIdSchema).max(MAX_PRESENCE_BUSY),
  started_at: instantSchema,
  seen_at: instantSchema,
});
export type Presence = z.infer<typeof presenceSchema>;

/** The bytes of a presence. What there is too much of is left out: models at last, because ids of tasks are short. */
export function writePresence(presence: Presence): Buffer {
  const models = presence.models
    .filter((name) => name.length > 0 && name.length <= MAX_MODEL_CHARS)
    .slice(0, MAX_PRESENCE_MODELS);
  const busy = presence.busy.slice(0, MAX_PRESENCE_BUSY);
  for (;;) {
    const bytes = writeExactJson({ ...presence, models, busy }, presenceSchema);
    if (bytes.length <= MAX_PRESENCE_BYTES || models.length === 0) return bytes;
    models.pop();
  }
}

/** Reads the bytes of a presence; whatever writePresence would not write is none. */
export function readPresence(bytes: Uint8Array): ReadResult<Presence> {
  return readExactJson(bytes, presenceSchema, MAX_PRESENCE_BYTES);
}

/** The ref of an agent's presence. */
export function presenceRef(agent: string): string {
  return `${AGENTS_PREFIX}${agent}`;
}

/** The agent whose presence this ref is; null where it is none. */
export function agentOfPresenceRef(ref: string): string | null {
  if (!ref.startsWith(AGENTS_PREFIX)) return null;
  const name = ref.slice(AGENTS_PREFIX.length);
  return principalNameSchema.safeParse(name).success ? name : null;
}

/** Whether this agent can be expected to take tasks; `nowMs` is the server's clock. */
export function isPresent(presence: Presence, nowMs: number): boolean {
  return presence.state === 'running' && nowMs - Date.parse(presence.seen_at) <= PRESENCE_FRESH_MS;
}
