import { formatAge } from '../protocol/duration.js';
import { oneLine } from '../protocol/printable.js';
import type { TaskWork } from './side-refs.js';

/**
 * What an agent is doing for a task, in words for a person: `llama3.2`, `generating`, `for 12 s`. What is
 * not known is left out. Every command that shows it uses these words.
 */
export function workWords({ model, sinceMs, phase }: Omit<TaskWork, 'agent'>, nowMs: number): string[] {
  return [
    ...(model === null ? [] : [oneLine(model)]),
    ...(phase === null ? [] : [phaseWords(phase)]),
    ...(sinceMs === null ? [] : [`for ${formatAge(Math.max(0, nowMs - sinceMs))}`]),
  ];
}

/** A phase in words. One that this version does not know is shown as it is. */
export function phaseWords(phase: string): string {
  return phase === 'waiting' ? 'waiting for its model server' : oneLine(phase);
}
