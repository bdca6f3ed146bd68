import * as z from 'zod';
import { principalNameSchema } from './names.js';
import { type ReadResult, readExactJson, writeExactJson } from './strict-json.js';
import { instantSchema } from './task.js';

/**
 * The prefix of claim refs: one ref per task, pointing at a blob. Claims are not part of history and do not
 * move main.
 */
export const CLAIMS_PREFIX = 'refs/bridge/claims/';

/**
 * Default of `bridge.claimLease`. An agent that died keeps its task from the others for this long. A lost
 * renewal can be repeated within this time; ssh notices a dead network within 45 s.
 */
export const DEFAULT_CLAIM_LEASE_MS = 60_000;

/**
 * The longest lease the hook accepts. A stopped clock or a bad agent can keep a task from the
 * others for this long with one push.
 */
export const MAX_CLAIM_LEASE_MS = 5 * 60_000;

/** The most bytes of a claim: twice what a name, a session and a date need. */
export const MAX_CLAIM_BYTES = 512;

/**
 * Tells apart the processes that share a key: 16 random hex digits, kept in the state folder.
 * With it an agent recognises its own claims after a crash, and does not mistake those of a
 * second PC with the same key for its own.
 */
export const sessionSchema = z.string().regex(/^[0-9a-f]{16}$/, 'must be 16 lower-case hex digits');

/**
 * A claim: which agent generates the answer to a task, and until when the others can
 * wait. Times are by the server's clock.
 */
export const claimSchema = z.strictObject({
  agent: principalNameSchema,
  session: sessionSchema,
  until: instantSchema,
});
export type Claim = z.infer<typeof claimSchema>;

/** The bytes of a claim. A claim has exactly one form, so that equal claims are the same blob. */
export function writeClaim(claim: Claim): Buffer {
  return writeExactJson(claim, claimSchema);
}

/** Reads the bytes of a claim. Accepts only bytes that writeClaim would write. */
export function readClaim(bytes: Uint8Array): ReadResult<Claim> {
  return readExactJson(bytes, claimSchema, MAX_CLAIM_BYTES);
}

/** The ref of a task's claim. */
export function claimRef(task: string): string {
  return `${CLAIMS_PREFIX}${task}`;
}

/**
 * The task whose claim this ref is, or null where the ref is not a claim. `idLength` is the length
 * of the repository's ids: 40 or 64.
 */
export function taskOfClaimRef(ref: string, idLength: number): string | null {
  if (!ref.startsWith(CLAIMS_PREFIX)) return null;
  const task = ref.slice(CLAIMS_PREFIX.length);
  return task.length === idLength && /^[0-9a-f]+$/.test(task) && !/^0+$/.test(task) ? task : null;
}

/** Whether two claims belong to the same process. */
export function sameHolder(
  a: Pick<Claim, 'agent' | 'session'>,
  b: Pick<Claim, 'agent' | 'session'>,
): boolean {
  return a.agent === b.agent && a.session === b.session;
}

/**
 * Whether a claim may be made now: it ends in the future, by MAX_CLAIM_LEASE_MS at most. `nowMs` is the
 * server's clock.
 */
export function isLeaseAllowed(claim: Pick<Claim, 'until'>, nowMs: number): boolean {
  const leftMs = Date.parse(claim.until) - nowMs;
  return leftMs > 0 && leftMs <= MAX_CLAIM_LEASE_MS;
}

/** Whether a lease has run out; `nowMs` is the server's clock. */
export function isLeaseOver(claim: Pick<Claim, 'until'>, nowMs: number): boolean {
  return Date.parse(claim.until) <= nowMs;
}
