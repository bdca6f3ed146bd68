import { describe, expect, test } from 'vitest';
import type { WhoWorks } from '../../../src/bridge/side-refs.js';
import { bridgesInTurn, type Candidate, placedFor } from '../../../src/gateway/choose-bridge.js';
import type { Presence } from '../../../src/protocol/presence.js';
import { aPresence } from '../../support/a-presence.js';

const NOW_MS = Date.parse('2026-03-01T12:00:00.000Z');

describe('a call', () => {
  const usual = { availability: 'there', isAiling: false, openTasks: 0, places: 1 } as const;
  const rows: [string, Record<string, Partial<Candidate>>, string][] = [
    ['the first, where nothing tells them apart', { a: {}, b: {} }, 'a b'],
    [
      'where an agent has its model',
      { a: { availability: 'unknown' }, b: { availability: 'away', isAiling: true } },
      'b a',
    ],
    ['where that agent is there', { a: { availability: 'away' }, b: { openTasks: 99 } }, 'b a'],
    ['a bridge that works', { a: { isAiling: true }, b: { availability: 'away' } }, 'b a'],
    ['where fewer tasks wait', { a: { openTasks: 2 }, b: { openTasks: 1 } }, 'b a'],
    ['where more are answered at once', { a: { openTasks: 3 }, b: { openTasks: 4, places: 2 } }, 'b a'],
    ['none that has not its model', { a: { availability: 'none' }, b: { availability: 'unknown' } }, 'b'],
  ];
  test.each(rows)('goes first to %s', (_what, bridges, order) => {
    const candidates = Object.entries(bridges).map(([name, more]) => ({ ...usual, ...more, name }));
    expect(
      bridgesInTurn(candidates)
        .map(({ name }) => name)
        .join(' '),
    ).toBe(order);
  });
});

describe('how a bridge is placed', () => {
  const agent = (name: string, more: Partial<Presence> = {}) =>
    aPresence({
      ...{ agent: name, backends: ['ollama'], parallel: 2, seen_at: new Date(NOW_MS).toISOString() },
      ...more,
    });
  const having = (name: string) =>
    [
      name,
      {
        at: new Date(NOW_MS).toISOString(),
        models: [{ name: 'llama3.2', backend: 'ollama', can: ['chat'] }],
      },
    ] as never;
  const who = (agents: readonly Presence[], ...names: string[]): WhoWorks => ({
    ...{ agents, running: new Map(), models: new Map(names.map(having)) },
  });
  const gone = { seen_at: new Date(NOW_MS - 3_600_000).toISOString() };
  const rows: [string, WhoWorks, string | undefined, string, number][] = [
    ['an agent with the model is there', who([agent('pc')], 'pc'), 'llama3.2', 'there', 2],
    ['two are', who([agent('pc'), agent('tower')], 'pc', 'tower'), 'llama3.2', 'there', 4],
    ['it sleeps', who([agent('pc', gone)], 'pc'), 'llama3.2', 'away', 0],
    ['a standby alone is there', who([agent('small', { after_s: 60 })], 'small'), 'llama3.2', 'away', 0],
    ['nobody lists it', who([agent('pc')], 'pc'), 'mistral', 'none', 2],
    ['somebody there says nothing', who([agent('pc'), agent('new')], 'pc'), 'mistral', 'unknown', 4],
    ['nobody has ever said anything', who([]), 'llama3.2', 'unknown', 0],
    ['any model will do', who([agent('pc')], 'pc'), undefined, 'there', 2],
    ['any will do, and nobody is there', who([agent('pc', gone)], 'pc'), undefined, 'away', 0],
  ];
  test.each(rows)('%s', (_what, known, model, availability, places) => {
    const placed = placedFor(model, known, { nowMs: NOW_MS, takesClaims: true });
    expect(placed).toMatchObject({ availability, places });
  });
});
