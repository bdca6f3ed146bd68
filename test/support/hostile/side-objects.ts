import { type Claim, writeClaim } from '../../../src/protocol/claim.js';
import { type AgentModels, writeModels } from '../../../src/protocol/models.js';
import { type Presence, writePresence } from '../../../src/protocol/presence.js';
import { aPresence } from '../a-presence.js';
import { type RawObject, rawObject } from './git-objects.js';

/** The session of all objects made here. */
const SESSION = '1'.repeat(16);

/** The instant this many milliseconds from now, in the format of messages. */
export const at = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** The blob of a valid claim by home-pc, with the case's own changes. */
export function claimBlob(other: Partial<Claim> = {}): RawObject {
  return rawObject('blob', writeClaim({ agent: 'home-pc', session: SESSION, until: at(60_000), ...other }));
}

/** The same for a presence. */
export function presenceBlob(other: Partial<Presence> = {}): RawObject {
  return rawObject('blob', writePresence(aPresence({ session: SESSION, ...other })));
}

/** The same for what it has. */
export function modelsBlob(other: Partial<AgentModels> = {}): RawObject {
  return rawObject('blob', writeModels({ agent: 'home-pc', at: at(0), models: [], ...other }));
}
