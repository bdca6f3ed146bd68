import { type Presence, type PresenceWork, QUEUED_PHASE, writePresence } from '../../protocol/presence.js';
import { oneLine } from '../../protocol/printable.js';
import type { AgentOptions } from '../agent-options.js';
import type { AgentSession } from '../agent-session.js';
import { withPrivateAddress } from '../backends/backends.js';
import type { Offer } from '../backends/model-offer.js';
import type { ClaimsState } from './claims-state.js';

/** What a presence says of its agent, besides who that is. */
export interface SaidPresence extends Pick<ClaimsState, 'own' | 'work' | 'queued'> {
  readonly state: 'running' | 'stopped';
  /** The models in memory; none for a server that takes no lists of models. */
  readonly loaded: readonly string[];
  /** What the model servers offer; null before they were asked. */
  readonly offer: Offer | null;
  /** How long the agent has been running. Milliseconds. */
  readonly runningMs: number;
}

/** The content of this agent's presence, as of now. */
export function ownPresence(
  { options, session }: { readonly options: AgentOptions; readonly session: AgentSession },
  { state, own, work, queued, loaded, offer, runningMs }: SaidPresence,
): Buffer {
  const nowMs = session.serverNow();
  return writePresence({
    agent: session.name,
    session: session.id,
    state,
    version: options.version,
    backends: [...(offer?.backends ?? [])],
    models: [...(offer?.chatModels ?? [])],
    loaded: [...loaded],
    parallel: options.parallel,
    ...(session.terms?.hasStandby === true ? standbyOf(options, offer) : {}),
    busy: [...own.jobs.keys()],
    work: [
      ...queuedOf(queued, own),
      ...[...work]
        .filter(([task]) => own.jobs.has(task))
        .map(([task, { phase, sinceMs, model }]) => ({
          task,
          phase,
          since: new Date(sinceMs).toISOString(),
          ...(model === undefined ? {} : { model: oneLine(model) }),
        })),
    ],
    started_at: new Date(nowMs - runningMs).toISOString(),
    seen_at: new Date(nowMs).toISOString(),
  });
}

/** The task that waits while the models are busy for other bridges, unless it was started meanwhile. */
function queuedOf(queued: ClaimsState['queued'], { jobs }: ClaimsState['own']): PresenceWork[] {
  if (queued === null || jobs.has(queued.task)) return [];
  return [{ task: queued.task, phase: QUEUED_PHASE, since: new Date(queued.sinceMs).toISOString() }];
}

/** The fields of a presence that an older server does not take. */
function standbyOf(
  { afterMs, generate }: AgentOptions,
  offer: Offer | null,
): Pick<Presence, 'after_s' | 'cloud'> {
  const isCloud = withPrivateAddress(generate.order, generate).length === 0 || offer?.isCloudOnly === true;
  return {
    ...(afterMs === null ? {} : { after_s: Math.ceil(afterMs / 1000) }),
    ...(isCloud ? { cloud: true } : {}),
  };
}
