import { describe, expect, test } from 'vitest';
import { type Candidate, chooseTasks, HOLD_OFF_MS } from '../../../../src/agent/claims/choose-tasks.js';

const AGENTS = ['a/1', 'b/2', 'c/3', 'd/4'];
const NEVER = Number.POSITIVE_INFINITY;

function candidates(count: number, firstSeenMs = 1000): Candidate[] {
  return Array.from({ length: count }, (_, n) => ({ id: `task ${n}`, firstSeenMs, ours: false }));
}

function choose(
  self: string,
  of: readonly Candidate[],
  nowMs = 1000,
  knownAtMs = nowMs,
  busy: string[] = [],
) {
  const others = AGENTS.filter((one) => one !== self);
  const known = { holdOffMs: HOLD_OFF_MS, nowMs, knownAtMs, noticedAtMs: 0 };
  return chooseTasks(of, { self, others, busy: new Set(busy), ...known });
}

test('alone, everything is ours at once, in the order of asking', () => {
  const of = candidates(5);
  const nobody = { others: [], busy: new Set<string>(), holdOffMs: HOLD_OFF_MS, noticedAtMs: NEVER };
  const alone = chooseTasks(of, { self: 'a/1', ...nobody, nowMs: 1_000_000, knownAtMs: 0 });
  expect(alone.start).toEqual(of.map(({ id }) => ({ id, isSure: true })));
  expect(alone.lookAgainAtMs).toBe(NEVER);
});

test('agents that know each other start each task once, and each has about its share', () => {
  const of = candidates(400);
  const shares = AGENTS.map((self) => choose(self, of).start.map(({ id }) => id));
  expect(shares.flat().sort()).toEqual(of.map(({ id }) => id).sort());
  for (const share of shares) expect(share.length).toBeGreaterThan(60);
});

test('what an agent knows of other tasks does not change whose a task is', () => {
  const of = candidates(50);
  const whole = choose('a/1', of).start.map(({ id }) => id);
  const late = choose('a/1', of.slice(20)).start.map(({ id }) => id);
  expect(late).toEqual(whole.filter((id) => of.slice(20).some((one) => one.id === id)));
});

describe('a task of another that nobody takes', () => {
  const of = candidates(40);
  const foreign = of.filter(({ id }) => !choose('a/1', of).start.some((one) => one.id === id));

  test('is looked at again when the second may have it', () => {
    const { start, lookAgainAtMs } = choose('a/1', foreign);
    expect(start).toEqual([]);
    expect(lookAgainAtMs).toBe(1000 + HOLD_OFF_MS);
  });

  test('is not taken before a fetch has shown it unclaimed since', () => {
    const now = 1000 + 10 * HOLD_OFF_MS;
    expect(choose('a/1', foreign, now, 1000).start).toEqual([]);
    expect(choose('a/1', foreign, now).start).toHaveLength(foreign.length);
  });

  test('is let to one after the other, not to all at once', () => {
    for (const n of [0, 1, 2, 3]) {
      const all = AGENTS.flatMap((self) => choose(self, of, 1000 + n * HOLD_OFF_MS).start);
      expect(all).toHaveLength((n + 1) * of.length);
    }
  });

  test('is never ours for sure; what falls to us is, for as long as the others wait', () => {
    const sure = (nowMs: number) => choose('a/1', of, nowMs).start.filter(({ isSure }) => isSure).length;
    expect(sure(1000)).toBe(of.length - foreign.length);
    expect(sure(1000 + HOLD_OFF_MS)).toBe(0);
  });

  test('need not be waited for where that one is at work, but is not ours for sure', () => {
    const { start, lookAgainAtMs } = choose('a/1', foreign, 1000, 1000, ['b/2', 'c/3', 'd/4']);
    expect(start).toEqual(foreign.map(({ id }) => ({ id, isSure: false })));
    expect(lookAgainAtMs).toBe(NEVER);
  });

  test('comes behind what falls to us', () => {
    const { start } = choose('a/1', of, 1000 + 10 * HOLD_OFF_MS);
    const ours = choose('a/1', of).start.map(({ id }) => id);
    expect(start.slice(0, ours.length).map(({ id }) => id)).toEqual(ours);
    expect(start).toHaveLength(40);
  });
});

describe('what was seen before the others could know of us', () => {
  const of = candidates(40);
  const others = ['b/2'];
  const choosing = { self: 'a/1', others, busy: new Set<string>(), holdOffMs: HOLD_OFF_MS };
  const ours = chooseTasks(of, { ...choosing, nowMs: 1000, knownAtMs: 1000, noticedAtMs: 1000 }).start;
  const falls = of.filter(({ id }) => ours.some((one) => one.id === id));

  test('is left to them, and taken once they know of us and a fetch has shown it unclaimed, but not for sure', () => {
    const at = (nowMs: number, knownAtMs: number) =>
      chooseTasks(falls, { ...choosing, nowMs, knownAtMs, noticedAtMs: 1800 });
    expect(at(1000, 1000)).toEqual({ start: [], lookAgainAtMs: 1800 });
    expect(at(1800, 1700)).toEqual({ start: [], lookAgainAtMs: 1800 });
    expect(at(1800, 1800).start).toEqual(falls.map(({ id }) => ({ id, isSure: false })));
    // What comes from then on is as any other.
    const later = falls.map((one) => ({ ...one, firstSeenMs: 1800 }));
    const { start } = chooseTasks(later, { ...choosing, nowMs: 1800, knownAtMs: 0, noticedAtMs: 1800 });
    expect(start).toEqual(falls.map(({ id }) => ({ id, isSure: true })));
  });

  test('is left to them for no longer than a task of theirs, where they never hear of us', () => {
    const at = (nowMs: number) =>
      chooseTasks(falls, { ...choosing, nowMs, knownAtMs: nowMs, noticedAtMs: NEVER });
    expect(at(1000)).toEqual({ start: [], lookAgainAtMs: 1000 + HOLD_OFF_MS });
    expect(at(1000 + HOLD_OFF_MS).start).toHaveLength(falls.length);
  });

  test('is taken at once where all of them are at work, but not for sure', () => {
    const busy = new Set(others);
    const { start } = chooseTasks(of, {
      ...choosing,
      busy,
      nowMs: 1000,
      knownAtMs: 1000,
      noticedAtMs: NEVER,
    });
    expect(start.map(({ isSure }) => isSure)).toEqual(of.map(() => false));
  });

  test('and is ours by a claim starts at once', () => {
    const held = falls.map((one) => ({ ...one, ours: true }));
    expect(
      chooseTasks(held, { ...choosing, nowMs: 1000, knownAtMs: 1000, noticedAtMs: NEVER }).start,
    ).toHaveLength(falls.length);
  });
});

test('what we hold already is ours, whoever it falls to', () => {
  const of = candidates(40).map((one) => ({ ...one, ours: true }));
  expect(choose('a/1', of).start).toHaveLength(40);
});

test('whoever is placed better for the model of a task goes first, and the worse one only after all others', () => {
  const placed = (self: string, others: Record<string, number>, own: number) =>
    choose(
      self,
      candidates(40).map((one) => ({ ...one, placement: { own, others: new Map(Object.entries(others)) } })),
    );
  const best = placed('a/1', { 'b/2': 1, 'c/3': 1, 'd/4': 3 }, 0);
  expect(best.start).toHaveLength(40);
  expect(best.start.every(({ isSure }) => isSure)).toBe(true);
  // Of two that are alike, the hash decides; the one that has it not is not waited for.
  const [b, c] = [
    placed('b/2', { 'a/1': 2, 'c/3': 1, 'd/4': 3 }, 1),
    placed('c/3', { 'a/1': 2, 'b/2': 1, 'd/4': 3 }, 1),
  ];
  expect([...b.start, ...c.start].map(({ id }) => id).sort()).toEqual(
    candidates(40)
      .map(({ id }) => id)
      .sort(),
  );
  const last = placed('d/4', { 'a/1': 0, 'b/2': 1, 'c/3': 1 }, 3);
  expect(last).toEqual({ start: [], lookAgainAtMs: 1000 + 3 * HOLD_OFF_MS });
});
