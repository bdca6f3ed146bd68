import type { Presence } from '../../src/protocol/presence.js';

/**
 * A presence of `home-pc`, which runs and names no model, with the changes of a test. Where they have no
 * times, it has started and was seen now; `started_at` follows `seen_at`.
 */
export function aPresence(changes: Partial<Presence> = {}): Presence {
  const seenAt = changes.seen_at ?? new Date().toISOString();
  return {
    agent: 'home-pc',
    session: '1'.repeat(16),
    state: 'running',
    version: '0.1.0',
    backends: [],
    models: [],
    parallel: 1,
    busy: [],
    started_at: seenAt,
    seen_at: seenAt,
    ...changes,
  };
}
