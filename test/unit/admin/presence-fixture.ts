import type { Presence } from '../../../src/protocol/presence.js';

/** Makes presences that were written a second before `nowMs`: by default of an agent that runs. */
export function presencesAt(nowMs: number) {
  const at = new Date(nowMs - 1000).toISOString();
  return (agent: string, changes: Partial<Presence> = {}): Presence => ({
    ...{ agent, session: '1'.repeat(16), state: 'running', version: '1', backends: ['ollama'], models: [] },
    ...{ parallel: 1, busy: [], started_at: at, seen_at: at, ...changes },
  });
}
