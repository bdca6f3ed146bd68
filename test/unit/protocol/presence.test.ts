import { expect, test } from 'vitest';
import {
  agentOfPresenceRef,
  isPresent,
  MAX_PRESENCE_AHEAD_MS,
  MAX_PRESENCE_BYTES,
  PRESENCE_FRESH_MS,
  type Presence,
  presenceRef,
  readPresence,
  writePresence,
} from '../../../src/protocol/presence.js';

const PRESENCE: Presence = {
  agent: 'home-pc',
  session: '0123456789abcdef',
  state: 'running',
  version: '0.1.0',
  backends: ['ollama'],
  models: ['llama3.2:latest'],
  parallel: 2,
  busy: ['a'.repeat(40)],
  started_at: '2026-11-22T17:00:00.000Z',
  seen_at: '2026-11-22T17:02:27.123Z',
};

test('a presence is written and read in its one form', () => {
  expect(readPresence(writePresence(PRESENCE))).toEqual({ ok: true, value: PRESENCE });
  const spaced = JSON.stringify(PRESENCE, null, 1);
  expect(readPresence(Buffer.from(`${spaced}\n`))).toMatchObject({ ok: false });
  expect(readPresence(Buffer.from(`${JSON.stringify({ ...PRESENCE, x: 1 })}\n`))).toMatchObject({
    ok: false,
  });
});

test('however much an agent has, its presence can be read, and says what it can', () => {
  const models = [
    ...Array.from({ length: 40 }, (_, n) => `модель-${n}-${'я'.repeat(80)}`),
    'x'.repeat(5000),
    '',
  ];
  const busy = Array.from({ length: 64 }, (_, n) => String(n % 10).repeat(64));
  const bytes = writePresence({ ...PRESENCE, models, busy });
  expect(bytes.length).toBeLessThanOrEqual(MAX_PRESENCE_BYTES);
  const read = readPresence(bytes);
  expect(read).toMatchObject({ ok: true, value: { busy: busy.slice(0, 16) } });
  expect(read.ok && read.value.models.length).toBeGreaterThan(5);
});

test('what is done for tasks gives way to nothing but the ids, and a long name of a model is cut', () => {
  const work = Array.from({ length: 64 }, (_, n) => ({
    task: String(n % 10).repeat(64),
    phase: 'loading',
    since: PRESENCE.seen_at,
    model: n === 0 ? '🦙'.repeat(300) : `model-${n}`.padEnd(100, 'x'),
  }));
  const busy = work.map(({ task }) => task);
  const bytes = writePresence({
    ...PRESENCE,
    models: Array.from({ length: 20 }, () => 'я'.repeat(100)),
    busy,
    work,
  });
  expect(bytes.length).toBeLessThanOrEqual(MAX_PRESENCE_BYTES);
  const read = readPresence(bytes);
  expect(read).toMatchObject({ ok: true, value: { models: [], busy: busy.slice(0, 16) } });
  const kept = read.ok ? (read.value.work ?? []) : [];
  expect(kept[0]?.model).toBe(`${'🦙'.repeat(99)}…`);
  expect(kept.length).toBeGreaterThan(8);
  expect(kept.slice(1)).toEqual(work.slice(1, kept.length));
  expect(readPresence(writePresence({ ...PRESENCE, work: [] }))).toEqual({ ok: true, value: PRESENCE });
});

test.each(['a', 'home-pc', 'A.b_c-9', 'lock', 'x.locks'])('%s has a ref', (name) => {
  expect(agentOfPresenceRef(presenceRef(name))).toBe(name);
});

test.each([
  ...['refs/bridge/agents/', 'refs/bridge/agents/a/b', 'refs/bridge/agents/-a', 'refs/heads/a'],
  ...['refs/bridge/agents/a..b', 'refs/bridge/agents/a.', 'refs/bridge/agents/a.lock'],
])('%s is the presence of nobody', (ref) => {
  expect(agentOfPresenceRef(ref)).toBeNull();
});

test('an agent is there while it is running and was seen of late', () => {
  const seen = Date.parse(PRESENCE.seen_at);
  expect(isPresent(PRESENCE, seen + PRESENCE_FRESH_MS)).toBe(true);
  expect(isPresent(PRESENCE, seen + PRESENCE_FRESH_MS + 1)).toBe(false);
  expect(isPresent({ ...PRESENCE, state: 'stopped' }, seen)).toBe(false);
  // One from the future would be counted on for longer than five minutes.
  expect(isPresent(PRESENCE, seen - MAX_PRESENCE_AHEAD_MS)).toBe(true);
  expect(isPresent(PRESENCE, seen - MAX_PRESENCE_AHEAD_MS - 1)).toBe(false);
});
