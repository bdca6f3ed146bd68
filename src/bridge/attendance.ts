import { formatDuration } from '../protocol/duration.js';
import { isPresent } from '../protocol/presence.js';
import type { WhoWorks } from './side-refs.js';

/**
 * Whether there is anybody to answer. `unknown`: the bridge takes no claims, so agents do not say that they
 * are there. `absent`: no agent is there; `last` is the one that was seen last, null where there never was
 * one. `no-model-server`: agents are there, and none of them reaches a model server. Times are milliseconds
 * since the epoch, by the server's clock.
 */
export type Attendance =
  | { readonly state: 'present' | 'no-model-server'; readonly agents: readonly string[] }
  | { readonly state: 'absent'; readonly last: { readonly agent: string; readonly seenMs: number } | null }
  | { readonly state: 'unknown' };

/** Judges who is there. A claim is proof as good as a presence: `agent --once` writes no presence. */
export function attendanceOf(
  { agents, running }: WhoWorks,
  bridge: { readonly nowMs: number; readonly takesClaims: boolean },
): Attendance {
  if (!bridge.takesClaims) return { state: 'unknown' };
  const present = agents.filter((one) => isPresent(one, bridge.nowMs));
  const silent = [...running.values()]
    .map(({ agent }) => agent)
    .filter((agent) => !present.some((one) => one.agent === agent));
  const able = [
    ...present.filter(({ backends }) => backends.length > 0).map(({ agent }) => agent),
    ...new Set(silent),
  ];
  if (able.length > 0) return { state: 'present', agents: able };
  if (present.length > 0) return { state: 'no-model-server', agents: present.map(({ agent }) => agent) };
  const seen = agents.map(({ agent, seen_at }) => ({ agent, seenMs: Date.parse(seen_at) }));
  return { state: 'absent', last: seen.sort((a, b) => b.seenMs - a.seenMs)[0] ?? null };
}

/** What keeps a task waiting, and what to do about it. */
export interface AttendanceProblem {
  readonly text: string;
  readonly remedy: string;
}

/** The problem with who is there, in one sentence; null where there is none. */
export function attendanceProblem(attendance: Attendance, nowMs: number): AttendanceProblem | null {
  switch (attendance.state) {
    case 'present':
    case 'unknown':
      return null;
    case 'no-model-server':
      return {
        text: `${attendance.agents.join(', ')} ${attendance.agents.length === 1 ? 'reaches' : 'reach'} no model server`,
        remedy: 'start it on the PC; llm-bridge doctor there says more',
      };
    case 'absent': {
      const { last } = attendance;
      const remedy =
        'start one on the PC: llm-bridge agent --repo ADDRESS; llm-bridge doctor there says more';
      if (last === null) return { text: 'no agent has said yet that it is there', remedy };
      const since = new Date(last.seenMs).toISOString();
      const ago = formatDuration(Math.max(0, nowMs - last.seenMs));
      return { text: `no agent is there since ${since} (${last.agent}, ${ago} ago)`, remedy };
    }
  }
}
