import { taskOfClaimRef } from '../protocol/claim.js';
import { agentOfModelsRef } from '../protocol/models.js';
import { MAIN_REF } from '../protocol/names.js';
import { agentOfPresenceRef } from '../protocol/presence.js';
import type { Refusal } from '../protocol/refusal.js';
import type { RefUpdateLine } from './push-context.js';
import { refRule } from './ref.js';

/** A claim that the push makes, renews, takes over or removes. */
export interface ClaimUpdate {
  readonly line: RefUpdateLine;
  readonly task: string;
}

/** What an agent says of itself (a presence, its models), and the push writes or removes. */
export interface AgentRefUpdate {
  readonly line: RefUpdateLine;
  readonly agent: string;
}

/** The refs that a push moves, by kind. */
export interface PushedRefs {
  readonly main: RefUpdateLine | null;
  readonly claims: readonly ClaimUpdate[];
  readonly presences: readonly AgentRefUpdate[];
  readonly models: readonly AgentRefUpdate[];
}

/** Sorts the refs of a push by their exact names. Refuses any ref that is not a bridge's. */
export function sortRefs(lines: readonly RefUpdateLine[]): PushedRefs | Refusal {
  const claims: ClaimUpdate[] = [];
  const presences: AgentRefUpdate[] = [];
  const models: AgentRefUpdate[] = [];
  let main: RefUpdateLine | null = null;
  for (const line of lines) {
    const task = taskOfClaimRef(line.ref, line.newId.length);
    const present = agentOfPresenceRef(line.ref);
    const having = agentOfModelsRef(line.ref);
    if (task !== null) claims.push({ line, task });
    else if (present !== null) presences.push({ line, agent: present });
    else if (having !== null) models.push({ line, agent: having });
    else if (line.ref === MAIN_REF || lines.length === 1) {
      const denial = refRule(line);
      if (denial !== null) return denial;
      main = line;
    } else return notOne();
  }
  return { main, claims, presences, models };
}

/** Whether this id means "none": the new id of a deletion, or the old id of a creation. */
export function isZero(id: string): boolean {
  return /^0+$/.test(id);
}

/**
 * The most refs in one push: main, and claims beside it. The gate in front of git lets 64
 * packets through, shallow lines included.
 */
export const MAX_REFS_PER_PUSH = 60;

const LINE = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (refs\/[\x21-\x7e]+)$/;

/**
 * Reads pre-receive's standard input: a bounded number of lines `<old> <new> <ref>`, each ref
 * once. A ref name with a line break in it can forge lines here. git itself refuses to make such a
 * ref later, so nothing moves by it.
 */
export function readUpdateLines(stdin: string): RefUpdateLine[] | Refusal {
  const rows = stdin.split('\n');
  const isWhole = rows.pop() === '';
  const lines = rows.flatMap((row) => {
    const match = LINE.exec(row);
    if (match === null) return [];
    const [, oldId = '', newId = '', ref = ''] = match;
    return [{ oldId, newId, ref }];
  });
  if (!isWhole || lines.length === 0 || lines.length < rows.length) return notOne();
  if (lines.length > MAX_REFS_PER_PUSH) {
    return {
      code: 'limit',
      text: `more than ${MAX_REFS_PER_PUSH} refs in one push`,
      remedy: 'push them in parts',
    };
  }
  return new Set(lines.map((line) => line.ref)).size < lines.length ? notOne() : lines;
}

/** The refusal of a push that moves refs which cannot be moved together. */
function notOne(): Refusal {
  return {
    code: 'ref',
    text: 'a push to a bridge moves exactly one ref, beside the claims, the presence and the models of an agent',
    remedy: 'git push <bridge> HEAD:main, without --all, --tags, --mirror or other refs',
  };
}
