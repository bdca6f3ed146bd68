import { sameModel } from '../agent/backends/same-model.js';
import { attendanceOf } from '../bridge/attendance.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { holdersOf, type WantedModel } from '../bridge/wanted-model.js';
import { isPresent, isStandby } from '../protocol/presence.js';

/**
 * Whether a bridge can answer a call. `there`: an agent that could answer is at work on it. `away`: one that
 * lists the model is known, and may be woken. `unknown`: its agents do not say what they have. `none`: they
 * say it, and none has the model.
 */
export type Availability = 'there' | 'away' | 'unknown' | 'none';

/** A bridge that a call could go to. */
export interface Candidate {
  readonly availability: Availability;
  /** Its last look at the bridge failed, or its connection is lost. */
  readonly isAiling: boolean;
  /** Tasks that wait or are being answered there. */
  readonly openTasks: number;
  /** How many its agents answer at once. */
  readonly places: number;
}

const RANK: Readonly<Record<Availability, number>> = { there: 0, away: 1, unknown: 2, none: 3 };

/**
 * The bridges for a call, the best first, without those that lack its model. This is looked at, in this
 * order: whether an agent lists the model, whether the bridge can be reached, whether an agent is there, and
 * how few tasks there are for each place of its agents. Bridges that are equal in all keep their order.
 */
export function bridgesInTurn<C extends Candidate>(candidates: readonly C[]): C[] {
  const isUnsure = (one: C) => Number(one.availability === 'unknown');
  const load = ({ openTasks, places }: C) => openTasks / Math.max(1, places);
  return candidates
    .filter(({ availability }) => availability !== 'none')
    .sort(
      (a, b) =>
        isUnsure(a) - isUnsure(b) ||
        Number(a.isAiling) - Number(b.isAiling) ||
        RANK[a.availability] - RANK[b.availability] ||
        load(a) - load(b),
    );
}

/** Whether a bridge can answer for a model, and the places of the agents that would. */
export function placedFor(
  model: string | undefined,
  who: WhoWorks,
  bridge: { readonly nowMs: number; readonly takesClaims: boolean },
): Pick<Candidate, 'availability' | 'places'> {
  const wanted: WantedModel | null = model === undefined ? null : { model };
  const holders = wanted === null ? null : holdersOf(wanted, who.models, sameModel);
  const here = who.agents.filter(
    (one) =>
      !isStandby(one) &&
      isPresent(one, bridge.nowMs) &&
      (holders === null || holders.length === 0 || holders.includes(one.agent)),
  );
  const places = here.reduce((sum, { parallel }) => sum + parallel, 0);
  return { places, availability: availabilityFor(wanted, { who, holders: holders ?? [], ...bridge }) };
}

function availabilityFor(
  wanted: WantedModel | null,
  bridge: {
    readonly who: WhoWorks;
    readonly holders: readonly string[];
    readonly nowMs: number;
    readonly takesClaims: boolean;
  },
): Availability {
  const { who, holders, nowMs } = bridge;
  const isThere = attendanceOf(who, bridge, { wanted, sameModel }).state === 'present';
  if (wanted === null || holders.length > 0) return isThere ? 'there' : 'away';
  const isSilent = who.agents.some((one) => isPresent(one, nowMs) && !who.models.has(one.agent));
  return who.models.size === 0 || isSilent ? 'unknown' : 'none';
}
