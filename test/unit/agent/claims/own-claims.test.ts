import { expect, test } from 'vitest';
import {
  dueClaims,
  NO_CLAIMS,
  nextClaimMs,
  type OwnClaims,
  orphanedClaims,
  ownAfterFetch,
  withClaim,
  withJob,
} from '../../../../src/agent/claims/own-claims.js';
import type { SideRefs } from '../../../../src/bridge/side-refs.js';
import { type Claim, claimRef } from '../../../../src/protocol/claim.js';

const SELF = { agent: 'home-pc', session: '1'.repeat(16) };
const SERVER = Date.parse('2026-11-22T17:00:00.000Z');
const none = () => false;

function refs(claims: Record<string, { id: string } & Partial<Claim>>): SideRefs {
  const until = new Date(SERVER + 60_000).toISOString();
  const entries = Object.entries(claims).map(
    ([task, { id, ...other }]) => [task, { id, claim: { ...SELF, until, ...other } }] as const,
  );
  return { claims: new Map(entries), agents: new Map(), models: new Map() };
}

const after = (own: OwnClaims, refs: SideRefs, fetchedAtMs: number, nowMs = fetchedAtMs) =>
  ownAfterFetch(own, refs, { self: SELF, fetchedAtMs, nowMs, serverNowMs: SERVER });

test('a generation is claimed at its time, and its claim renewed at its own', () => {
  const begun = withJob(NO_CLAIMS, 't', 200);
  const due = (own: OwnClaims, atMs: number) => dueClaims(own, atMs, none);
  expect([due(begun, 199), due(begun, 200), nextClaimMs(begun, none)]).toEqual([[], ['t'], 200]);
  const held = withClaim(begun, 't', { id: 'a', renewAtMs: 20_000, knownSinceMs: 300 });
  expect([due(held, 19_999), due(held, 20_000), nextClaimMs(held, none)]).toEqual([[], ['t'], 20_000]);
});

test('what was claimed after a fetch began is not lost by what that fetch shows', () => {
  const mine = { id: 'mine', renewAtMs: 20_000, knownSinceMs: 500 };
  const own = withClaim(withJob(NO_CLAIMS, 't', 0), 't', mine);
  const theirs = refs({ t: { id: 'theirs', agent: 'attic-pc' } });
  const early = after(own, theirs, 400, 600);
  expect(early.held.get('t')?.id).toBe('mine');
  expect(early.remote.get(claimRef('t'))).toBe('mine');
  const late = after(early, theirs, 700);
  expect(late.held.get('t')).toBeUndefined();
  expect(late.remote.get(claimRef('t'))).toBe('theirs');
});

test('a claim of a run before is known again, renewed while half of it is left, and let go where nobody works under it', () => {
  const own = after(
    NO_CLAIMS,
    refs({ t: { id: 'before' }, theirs: { id: 'x', session: '2'.repeat(16) } }),
    1000,
  );
  expect([...own.held.keys()]).toEqual(['t']);
  expect(own.held.get('t')?.renewAtMs).toBe(31_000);
  expect(orphanedClaims(own, 1999, none)).toEqual([]);
  expect(orphanedClaims(own, 2000, none)).toEqual(['t']);
  // An answer that waits to be pushed takes it along.
  expect(orphanedClaims(own, 2000, (task) => task === 't')).toEqual([]);
  expect(orphanedClaims(withJob(own, 't', 1000), 2000, none)).toEqual([]);
});

test('a push of ours that arrived without our hearing of it is found by the next fetch', () => {
  const old = { id: 'old', renewAtMs: 0, knownSinceMs: 0 };
  const own = withClaim(withJob(NO_CLAIMS, 't', 0), 't', old);
  expect(after(own, refs({ t: { id: 'new' } }), 1000).held.get('t')?.id).toBe('new');
});

test('the claim of a task whose answer waits to be pushed is renewed, and that of one that nobody works under is not', () => {
  const own = withClaim(NO_CLAIMS, 't', { id: 'a', renewAtMs: 20_000, knownSinceMs: 300 });
  const waiting = (task: string) => task === 't' || task === 'never claimed';
  expect([dueClaims(own, 19_999, waiting), dueClaims(own, 20_000, waiting)]).toEqual([[], ['t']]);
  expect(nextClaimMs(own, waiting)).toBe(20_000);
  expect(dueClaims(own, 20_000, none)).toEqual([]);
});
