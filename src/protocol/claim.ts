import * as z from 'zod';
import { principalNameSchema } from './names.js';
import { type ReadResult, readExactJson, writeExactJson } from './strict-json.js';
import { instantSchema } from './task.js';

/** Where claims are: one ref a task, pointing at a blob. They are no part of history and move no main. */
export const CLAIMS_PREFIX = 'refs/bridge/claims/';

/**
 * Default of `bridge.claimLease`. An agent that died keeps its task from the others for so long; a renewal that got lost has
 * this much time to be made up for, and ssh notices a dead network within 45 s.
 */
export const DEFAULT_CLAIM_LEASE_MS = 60_000;

/** The longest lease the hook takes: what a stopped clock or a bad agent can keep a task from the others by one push. */
export const MAX_CLAIM_LEASE_MS = 5 * 60_000;

/** The most bytes of a claim: a name, a session and a date, twice over. */
export const MAX_CLAIM_BYTES = 512;

/**
 * Which of the processes that share a key this is: 16 hex digits at random, kept in the state folder, so that an agent knows its own
 * claims again after a crash and never takes those of a second PC with the same key for its own.
 */
export const sessionSchema = z.string().regex(/^[0-9a-f]{16}$/, 'must be 16 lower-case hex digits');

/** A claim: who generates the answer to a task, and until when nobody else needs to. By the server's clock. */
export const claimSchema = z.strictObject({
  agent: principalNameSchema,
  session: sessionSchema,
  until: instantSchema,
});
export type Claim = z.infer<typeof claimSchema>;

/** The bytes of a claim. One claim has one form, so that equal claims are one blob. */
export function writeClaim(claim: Claim): Buffer {
  return writeExactJson(claim, claimSchema);
}

/** Reads the bytes of a claim; whatever writeClaim would not write is none. */
export function readClaim(bytes: Uint8Array): ReadResult<Claim> {
  return readExactJson(bytes, claimSchema, MAX_CLAIM_BYTES);
}

/** The ref of a task's claim. */
export function claimRef(task: string): string {
  return `${CLAIMS_PREFIX}${task}`;
}

/** The task whose claim this ref is; null where it is none. `idLength` is that of the repository's ids: 40 or 64. */
export function taskOfClaimRef(ref: string, idLength: number): string | null {
  if (!ref.startsWith(CLAIMS_PREFIX)) return null;
  const task = ref.slice(CLAIMS_PREFIX.length);
  return task.length === idLength && /^[0-9a-f]+$/.test(task) && !/^0+$/.test(task) ? task : null;
}

/** Whether two claims are of one process. */
export function sameHolder(
  a: Pick<Claim, 'agent' | 'session'>,
  b: Pick<Claim, 'agent' | 'session'>,
): boolean {
  return a.agent === b.agent && a.session === b.session;
}

/** Whether a lease has run out; `nowMs` is the server's clock. */
export function isLeaseOver(claim: Claim, nowMs: number): boolean {
  return Date.parse(claim.until) <= nowMs;
}
