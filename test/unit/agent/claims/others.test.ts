import { expect, test } from 'vitest';
import { createOthers } from '../../../../src/agent/claims/others.js';
import type { SideRefs } from '../../../../src/bridge/side-refs.js';
import type { Claim } from '../../../../src/protocol/claim.js';
import type { Presence } from '../../../../src/protocol/presence.js';

const SELF = { agent: 'home-pc', session: '1'.repeat(16) };
const SERVER = Date.parse('2026-11-22T17:00:00.000Z');
const at = (ms: number) => new Date(SERVER + ms).toISOString();

function claim(other: Partial<Claim> = {}): Claim {
  return { agent: 'attic-pc', session: '2'.repeat(16), until: at(60_000), ...other };
}

function presence(other: Partial<Presence> = {}): Presence {
  return {
    agent: 'attic-pc',
    session: '2'.repeat(16),
    state: 'running',
    version: '0.1.0',
    backends: [],
    models: [],
    parallel: 1,
    busy: [],
    started_at: at(0),
    seen_at: at(0),
    ...other,
  };
}

function refs(claims: Record<string, Claim | null>, presences: readonly Presence[] = []): SideRefs {
  return {
    claims: new Map(
      Object.entries(claims).map(([task, one]) => [task, { id: JSON.stringify(one), claim: one }]),
    ),
    agents: new Map(presences.map((one) => [one.agent, { id: JSON.stringify(one), presence: one }])),
  };
}

test('a claim holds until its time is over and a later fetch has shown that it was not renewed', () => {
  const others = createOthers(SELF);
  others.see(refs({ t: claim() }), { nowMs: 5000, serverNowMs: SERVER });
  const holder = (nowMs: number, knownAtMs: number) =>
    others.holderOf('t', { nowMs, knownAtMs })?.claim.agent;
  expect(holder(5000, 5000)).toBe('attic-pc');
  expect(holder(65_000, 64_999)).toBe('attic-pc');
  expect(holder(65_000, 65_000)).toBeUndefined();
  others.see(refs({ t: claim({ until: at(80_000) }) }), { nowMs: 65_000, serverNowMs: SERVER + 60_000 });
  expect(holder(65_000, 65_000)).toBe('attic-pc');
  expect(holder(85_000, 85_000)).toBeUndefined();
});

test('an agent that says nothing more is not there after five minutes, also where nothing changes on the server', () => {
  const others = createOthers(SELF);
  others.see(refs({}, [presence()]), { nowMs: 0, serverNowMs: SERVER });
  others.seeNothingNew(SERVER + 5 * 60_000);
  expect(others.present()).toEqual([`attic-pc/${'2'.repeat(16)}`]);
  others.seeNothingNew(SERVER + 5 * 60_000 + 1);
  expect(others.present()).toEqual([]);
  expect(others.any(0)).toBe(false);
});

test('no claim holds longer than the longest lease, however wrong our clock is', () => {
  const others = createOthers(SELF);
  others.see(refs({ t: claim() }), { nowMs: 0, serverNowMs: SERVER - 86_400_000 });
  expect(others.holderOf('t', { nowMs: 300_000, knownAtMs: 300_000 })).toBeNull();
});

test('a clock that jumps changes nothing for a claim that was seen before', () => {
  const others = createOthers(SELF);
  others.see(refs({ t: claim() }), { nowMs: 0, serverNowMs: SERVER });
  others.see(refs({ t: claim() }), { nowMs: 1000, serverNowMs: SERVER + 7_200_000 });
  expect(others.holderOf('t', { nowMs: 59_000, knownAtMs: 59_000 })).not.toBeNull();
});

test('a claim that is ours, that is gone, or that cannot be read, holds us from nothing', () => {
  const others = createOthers(SELF);
  const clock = { nowMs: 0, serverNowMs: SERVER };
  others.see(refs({ mine: claim(SELF), odd: null, gone: claim() }), clock);
  others.see(refs({ mine: claim(SELF), odd: null }), clock);
  for (const task of ['mine', 'odd', 'gone']) {
    expect(others.holderOf(task, { nowMs: 0, knownAtMs: 0 })).toBeNull();
  }
  expect(others.any(0)).toBe(false);
});

test('a second process with our key is another', () => {
  const others = createOthers(SELF);
  const twin = { agent: 'home-pc', session: '3'.repeat(16) };
  others.see(refs({ t: claim(twin) }, [presence(twin)]), { nowMs: 0, serverNowMs: SERVER });
  expect(others.holderOf('t', { nowMs: 0, knownAtMs: 0 })).not.toBeNull();
  expect(others.any(0)).toBe(true);
});

test('those count that are there, not the stopped, the vanished and we ourselves; busy is who has been full for a while', () => {
  const others = createOthers(SELF);
  const two = presence({ agent: 'two', session: '4'.repeat(16), parallel: 2 });
  const all = [
    presence(),
    two,
    presence({ agent: 'stopped', state: 'stopped' }),
    presence({ agent: 'vanished', seen_at: at(-3_600_000) }),
    presence(SELF),
  ];
  others.see(refs({ a: claim(), b: claim({ agent: 'two', session: two.session }) }, all), {
    nowMs: 0,
    serverNowMs: SERVER,
  });
  expect(others.present()).toHaveLength(2);
  // A moment is not worth waiting for, and a lease that is over keeps nobody busy.
  expect(others.busy(4999).size).toBe(0);
  expect([...others.busy(5000)]).toEqual([`attic-pc/${'2'.repeat(16)}`]);
  expect(others.busy(60_000).size).toBe(0);
});

test('a claim that the server says is not over is waited for', () => {
  const others = createOthers(SELF);
  others.see(refs({ t: claim() }), { nowMs: 0, serverNowMs: SERVER + 90_000 });
  expect(others.holderOf('t', { nowMs: 0, knownAtMs: 0 })).toBeNull();
  others.postpone('t', 20_000);
  expect(others.holderOf('t', { nowMs: 19_999, knownAtMs: 19_999 })).not.toBeNull();
});
