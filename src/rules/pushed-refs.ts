import { taskOfClaimRef } from '../protocol/claim.js';
import { MAIN_REF } from '../protocol/names.js';
import { agentOfPresenceRef } from '../protocol/presence.js';
import type { Denial, RefUpdateLine } from './push-context.js';
import { notOne } from './read-update-lines.js';
import { refRule } from './ref.js';

/** A claim that is to be made, renewed, taken over or let go. */
export interface ClaimUpdate {
  readonly line: RefUpdateLine;
  readonly task: string;
}

/** A presence that is to be written or removed. */
export interface PresenceUpdate {
  readonly line: RefUpdateLine;
  readonly agent: string;
}

/** What a push wants to move, by kind. */
export interface PushedRefs {
  readonly main: RefUpdateLine | null;
  readonly claims: readonly ClaimUpdate[];
  readonly presences: readonly PresenceUpdate[];
}

/** Tells the refs of a push apart by their exact names. Anything that is none of ours is denied. */
export function sortRefs(lines: readonly RefUpdateLine[]): PushedRefs | Denial {
  const claims: ClaimUpdate[] = [];
  const presences: PresenceUpdate[] = [];
  let main: RefUpdateLine | null = null;
  for (const line of lines) {
    const task = taskOfClaimRef(line.ref, line.newId.length);
    const agent = agentOfPresenceRef(line.ref);
    if (task !== null) claims.push({ line, task });
    else if (agent !== null) presences.push({ line, agent });
    else if (line.ref === MAIN_REF || lines.length === 1) {
      const denial = refRule(line);
      if (denial !== null) return denial;
      main = line;
    } else return notOne();
  }
  return { main, claims, presences };
}

/** Whether this id says "none": the new one of a deletion, the old one of a creation. */
export function isZero(id: string): boolean {
  return /^0+$/.test(id);
}
