import { expect, test } from 'vitest';
import {
  busyAgents,
  holderOf,
  isAnyoneThere,
  NOBODY,
  type Others,
  othersAfterFetch,
  othersPostponed,
  othersUnchanged,
} from '../../../../src/agent/claims/others.js';
import type { SideRefs } from '../../../../src/bridge/side-refs.js';
import type { Claim } from '../../../../src/protocol/claim.js';
import type { Presence } from '../../../../src/protocol/presence.js';
import { aPresence } from '../../../support/a-presence.js';

const SELF = { agent: 'home-pc', session: '1'.repeat(16) };
const SERVER = Date.parse('2026-11-22T17:00:00.000Z');
const at = (ms: number) => new Date(SERVER + ms).toISOString();

function claim(other: Partial<Claim> = {}): Claim {
  return { agent: 'attic-pc', session: '2'.repeat(16), until: at(60_000), ...other };
}

function presence(other: Partial<Presence> = {}): Presence {
  return aPresence({ agent: 'attic-pc', session: '2'.repeat(16), seen_at: at(0), ...other });
}

function refs(claims: Record<string, Claim | null>, presences: readonly Presence[] = []): SideRefs {
  return {
    claims: new Map(
      Object.entries(claims).map(([task, one]) => [task, { id: JSON.stringify(one), claim: one }]),
    ),
    agents: new Map(presences.map((one) => [one.agent, { id: JSON.stringify(one), presence: one }])),
    models: new Map(),
  };
}

/**
 * After fetches of these refs, the last of them at `nowMs`; `aheadMs`: how far the server's clock is then.
 */
function seen(refs: SideRefs, nowMs = 0, aheadMs = 0, before: Others = NOBODY): Others {
  return othersAfterFetch(before, refs, { self: SELF, nowMs, serverNowMs: SERVER + aheadMs });
}

/** Who keeps us from task `t`, at a time and with what was known then. */
const holder = (others: Others, nowMs: number, knownAtMs = nowMs) =>
  holderOf(others, 't', { nowMs, knownAtMs })?.claim.agent;

test('a claim holds until its time is over and a later fetch has shown that it was not renewed', () => {
  const others = seen(refs({ t: claim() }), 5000);
  expect(holder(others, 5000)).toBe('attic-pc');
  expect(holder(others, 65_000, 64_999)).toBe('attic-pc');
  expect(holder(others, 65_000)).toBeUndefined();
  const renewed = seen(refs({ t: claim({ until: at(80_000) }) }), 65_000, 60_000, others);
  expect(holder(renewed, 65_000)).toBe('attic-pc');
  expect(holder(renewed, 85_000)).toBeUndefined();
});

test('an agent that says nothing more is not there after five minutes, also where nothing changes on the server', () => {
  const others = seen(refs({}, [presence()]));
  const after = (ms: number) => othersUnchanged(others, SERVER + ms);
  expect(after(5 * 60_000).present.map(({ agent }) => agent)).toEqual(['attic-pc']);
  expect(after(5 * 60_000 + 1).present).toEqual([]);
  expect(isAnyoneThere(after(5 * 60_000 + 1), 0)).toBe(false);
});

test('no claim holds longer than the longest lease, however wrong our clock is', () => {
  expect(holder(seen(refs({ t: claim() }), 0, -86_400_000), 300_000)).toBeUndefined();
});

test('a clock that jumps changes nothing for a claim that was seen before', () => {
  const others = seen(refs({ t: claim() }), 1000, 7_200_000, seen(refs({ t: claim() })));
  expect(holder(others, 59_000)).toBe('attic-pc');
});

test('a claim that is ours, that is gone, or that cannot be read, holds us from nothing', () => {
  const before = seen(refs({ mine: claim(SELF), odd: null, gone: claim() }));
  const others = seen(refs({ mine: claim(SELF), odd: null }), 0, 0, before);
  for (const task of ['mine', 'odd', 'gone']) {
    expect(holderOf(others, task, { nowMs: 0, knownAtMs: 0 })).toBeNull();
  }
  expect(isAnyoneThere(others, 0)).toBe(false);
});

test('a second process with our key is another', () => {
  const twin = { agent: 'home-pc', session: '3'.repeat(16) };
  const others = seen(refs({ t: claim(twin) }, [presence(twin)]));
  expect(holder(others, 0)).toBe('home-pc');
  expect(isAnyoneThere(others, 0)).toBe(true);
});

test('those count that are there, not the stopped, the vanished and we ourselves; busy is who has been full for a while', () => {
  const two = presence({ agent: 'two', session: '4'.repeat(16), parallel: 2 });
  const all = [
    presence(),
    two,
    presence({ agent: 'stopped', state: 'stopped' }),
    presence({ agent: 'vanished', seen_at: at(-3_600_000) }),
    presence(SELF),
  ];
  const others = seen(refs({ a: claim(), b: claim({ agent: 'two', session: two.session }) }, all));
  expect(others.present).toHaveLength(2);
  // A moment is not worth waiting for, and a lease that is over keeps nobody busy.
  expect(busyAgents(others, 4999).size).toBe(0);
  expect([...busyAgents(others, 5000)]).toEqual([`attic-pc/${'2'.repeat(16)}`]);
  expect(busyAgents(others, 60_000).size).toBe(0);
});

test('a claim that the server says is not over is waited for', () => {
  const others = seen(refs({ t: claim() }), 0, 90_000);
  expect(holder(others, 0)).toBeUndefined();
  expect(holder(othersPostponed(others, 't', 20_000), 19_999)).toBe('attic-pc');
});
