import { type Claim, writeClaim } from '../../../src/protocol/claim.js';
import { type Presence, writePresence } from '../../../src/protocol/presence.js';
import { type RawObject, rawObject } from './git-objects.js';

/** The session of what is made here. */
export const SESSION = '1'.repeat(16);

/** An instant so many milliseconds from now, as messages write it. */
export const at = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** The blob of a good claim by home-pc, with what the case wants otherwise. */
export function claimBlob(other: Partial<Claim> = {}): RawObject {
  return rawObject('blob', writeClaim({ agent: 'home-pc', session: SESSION, until: at(60_000), ...other }));
}

/** The same of a presence. */
export function presenceBlob(other: Partial<Presence> = {}): RawObject {
  const presence: Presence = {
    agent: 'home-pc',
    session: SESSION,
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
  return rawObject('blob', writePresence(presence));
}
