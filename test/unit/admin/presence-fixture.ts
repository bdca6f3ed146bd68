import type { Presence } from '../../../src/protocol/presence.js';
import { aPresence } from '../../support/a-presence.js';

/** Makes presences that were written a second before `nowMs`: by default of an agent that runs. */
export function presencesAt(nowMs: number) {
  const at = new Date(nowMs - 1000).toISOString();
  return (agent: string, changes: Partial<Presence> = {}) =>
    aPresence({ agent, backends: ['ollama'], seen_at: at, ...changes });
}
