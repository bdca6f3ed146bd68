import { expect, test } from 'vitest';
import { type ClaimJob, createOwnClaims } from '../../../../src/agent/claims/own-claims.js';
import type { SideRefs } from '../../../../src/bridge/side-refs.js';
import { type Claim, claimRef } from '../../../../src/protocol/claim.js';

const SELF = { agent: 'home-pc', session: '1'.repeat(16) };
const SERVER = Date.parse('2026-11-22T17:00:00.000Z');
const NOBODY = new Set<string>();

function refs(claims: Record<string, { id: string } & Partial<Claim>>): SideRefs {
  const until = new Date(SERVER + 60_000).toISOString();
  const entries = Object.entries(claims).map(
    ([task, { id, ...other }]) => [task, { id, claim: { ...SELF, until, ...other } }] as const,
  );
  return { claims: new Map(entries), agents: new Map() };
}

const see = (fetchedAtMs: number, nowMs = fetchedAtMs) => ({ fetchedAtMs, nowMs, serverNowMs: SERVER });
const job = (task: string, claimAtMs: number): ClaimJob => ({ task, claimAtMs, drop() {}, decided() {} });

test('a generation is claimed at its time, and its claim renewed at its own', () => {
  const own = createOwnClaims(SELF);
  own.add(job('t', 200));
  expect([own.due(199, NOBODY), own.due(200, NOBODY), own.nextDueMs(NOBODY)]).toEqual([[], ['t'], 200]);
  own.hold('t', { id: 'a', renewAtMs: 20_000, knownSinceMs: 300 });
  expect([own.due(19_999, NOBODY), own.due(20_000, NOBODY), own.nextDueMs(NOBODY)]).toEqual([
    [],
    ['t'],
    20_000,
  ]);
});

test('what was claimed after a fetch began is not lost by what that fetch shows', () => {
  const own = createOwnClaims(SELF);
  own.add(job('t', 0));
  own.hold('t', { id: 'mine', renewAtMs: 20_000, knownSinceMs: 500 });
  own.see(refs({ t: { id: 'theirs', agent: 'attic-pc' } }), see(400, 600));
  expect(own.held('t')?.id).toBe('mine');
  expect(own.remote(claimRef('t'))).toBe('mine');
  own.see(refs({ t: { id: 'theirs', agent: 'attic-pc' } }), see(700));
  expect(own.held('t')).toBeUndefined();
  expect(own.remote(claimRef('t'))).toBe('theirs');
});

test('a claim of a run before is known again, renewed while half of it is left, and let go where nobody works under it', () => {
  const own = createOwnClaims(SELF);
  own.see(refs({ t: { id: 'before' }, theirs: { id: 'x', session: '2'.repeat(16) } }), see(1000));
  expect(own.heldTasks()).toEqual(['t']);
  expect(own.held('t')?.renewAtMs).toBe(31_000);
  expect(own.orphans(1999, NOBODY)).toEqual([]);
  expect(own.orphans(2000, NOBODY)).toEqual(['t']);
  // An answer that waits to be pushed takes it along.
  expect(own.orphans(2000, new Set(['t']))).toEqual([]);
  own.add(job('t', 1000));
  expect(own.orphans(2000, NOBODY)).toEqual([]);
});

test('a push of ours that arrived without our hearing of it is found by the next fetch', () => {
  const own = createOwnClaims(SELF);
  own.add(job('t', 0));
  own.hold('t', { id: 'old', renewAtMs: 0, knownSinceMs: 0 });
  own.see(refs({ t: { id: 'new' } }), see(1000));
  expect(own.held('t')?.id).toBe('new');
});

test('the claim of a task whose answer waits to be pushed is renewed, and that of one that nobody works under is not', () => {
  const own = createOwnClaims(SELF);
  own.hold('t', { id: 'a', renewAtMs: 20_000, knownSinceMs: 300 });
  const waiting = new Set(['t', 'never claimed']);
  expect([own.due(19_999, waiting), own.due(20_000, waiting)]).toEqual([[], ['t']]);
  expect(own.nextDueMs(waiting)).toBe(20_000);
  expect(own.due(20_000, NOBODY)).toEqual([]);
});
