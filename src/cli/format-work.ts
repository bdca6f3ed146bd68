import type { WaitsFor } from '../admin/task-waits.js';
import type { WhoIsWaited } from '../admin/who-waits.js';
import { nameHolders } from '../bridge/attendance.js';
import { workWords } from '../bridge/work-words.js';
import { formatDuration } from '../protocol/duration.js';
import { oneLine } from '../protocol/printable.js';

/** What is done for a task, as far as its agent said; `since` is ISO 8601. */
export interface ShownWork {
  readonly agent: string;
  readonly model: string | null;
  readonly since: string | null;
  readonly phase: string | null;
}

/** `by home-pc, llama3.2, generating, for 12 s`; what is not known is left out. */
export function formatWork({ agent, model, since, phase }: ShownWork, nowMs: number): string {
  const sinceMs = since === null ? null : Date.parse(since);
  return [`by ${oneLine(agent)}`, ...workWords({ model, sinceMs, phase }, nowMs)].join(', ');
}

/** `waits for an agent with qwen3:8b: office, last seen 3 h ago`. */
function formatWaits({ model, agents }: WaitsFor, nowMs: number): string {
  const holders = agents.map(({ name, seen_at }) => ({
    agent: oneLine(name),
    seenMs: seen_at === null ? null : Date.parse(seen_at),
  }));
  return `waits for an agent with ${oneLine(model)}: ${nameHolders(holders, nowMs)}`;
}

/**
 * Whom a pending task waits for: `waits for home-pc, last seen 3 h ago, which pi is waking; small steps in
 * at 10:42`. Empty where that agent is there and has room, and no standby steps in.
 */
export function formatWaiting(
  { waits_for, waiting }: { readonly waits_for: WaitsFor | null; readonly waiting: WhoIsWaited | null },
  nowMs: number,
): string {
  const first = waits_for === null ? whomOf(waiting, nowMs) : formatWaits(waits_for, nowMs);
  const { waking_by: waker = null, standby = null } = waiting ?? {};
  return [
    waker === null ? first : `${first || 'waits for an agent'}, which ${oneLine(waker)} is waking`,
    ...(standby === null ? [] : [`${oneLine(standby.name)} ${stepsIn(Date.parse(standby.at), nowMs)}`]),
  ]
    .filter((part) => part !== '')
    .join('; ');
}

function whomOf(waiting: WhoIsWaited | null, nowMs: number): string {
  const { agents = [] } = waiting ?? {};
  const named = agents.flatMap(({ name, state, seen_at }) => {
    if (state === 'there') return [];
    if (state === 'busy') return [`${oneLine(name)}, which is busy`];
    if (state === 'no-model-server') return [`${oneLine(name)}, which reaches no model server`];
    return [
      nameHolders([{ agent: oneLine(name), seenMs: seen_at === null ? null : Date.parse(seen_at) }], nowMs),
    ];
  });
  return named.length === 0 || named.length < agents.length ? '' : `waits for ${named.join('; ')}`;
}

/** By the clock and the zone of this machine, where the person is who reads it. */
function stepsIn(atMs: number, nowMs: number): string {
  if (atMs <= nowMs) return 'steps in now';
  const at = new Date(Date.now() + (atMs - nowMs));
  const time = `${at.getHours()}`.padStart(2, '0');
  const isFar = atMs - nowMs > 12 * 60 * 60_000;
  return `steps in ${isFar ? `in ${formatDuration(atMs - nowMs)}` : `at ${time}:${`${at.getMinutes()}`.padStart(2, '0')}`}`;
}
