import type { WaitsFor } from '../admin/task-waits.js';
import { nameHolders } from '../bridge/attendance.js';
import { formatAge } from '../protocol/duration.js';
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
  return [
    `by ${oneLine(agent)}`,
    ...(model === null ? [] : [oneLine(model)]),
    ...(phase === null ? [] : [phaseWords(phase)]),
    ...(since === null ? [] : [`for ${formatAge(Math.max(0, nowMs - Date.parse(since)))}`]),
  ].join(', ');
}

/** `waits for qwen3:8b: office, last seen 3 h ago`. */
export function formatWaits({ model, agents }: WaitsFor, nowMs: number): string {
  const holders = agents.map(({ name, seen_at }) => ({
    agent: oneLine(name),
    seenMs: seen_at === null ? null : Date.parse(seen_at),
  }));
  return `waits for an agent with ${oneLine(model)}: ${nameHolders(holders, nowMs)}`;
}

/** A phase in words. One that this version does not know is shown as it is. */
export function phaseWords(phase: string): string {
  return phase === 'waiting' ? 'waiting for its model server' : oneLine(phase);
}
