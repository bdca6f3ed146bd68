import type { Waiting } from '../asker/waiting-watch.js';
import { type AttendanceProblem, attendanceProblem } from '../bridge/attendance.js';
import { formatDuration } from '../protocol/duration.js';
import { oneLine } from '../protocol/printable.js';
import { printNote, printWarning } from './print-error.js';

/**
 * Says on stderr that nobody can answer, and since when: no agent is there, or none that reaches a model
 * server. It says so once, and again only after somebody came back, which it says as well. Used where no
 * spinner is shown: the log of a program tells why it waits. `byItselfS`: the wait that counts because the
 * asker set none, in seconds.
 */
export function waitingNotes(byItselfS: number | null = null): (waiting: Waiting) => void {
  let isMissed = false;
  const limit =
    byItselfS === null
      ? ''
      : `, and is waited for here for ${formatDuration(byItselfS * 1000)} (--timeout sets it)`;
  return (waiting) => {
    const problem = problemOf(waiting);
    if (problem !== null) {
      if (!isMissed) printWarning(`${problem.text}; the task waits${limit}`, problem.remedy);
      isMissed = true;
    } else if (isMissed) {
      printNote(`${whoIs(waiting)} is there now`);
      isMissed = false;
    }
  };
}

/** An agent that has taken the task may itself be waiting for its model server. */
function problemOf(waiting: Waiting): AttendanceProblem | null {
  if (waiting.for === 'answer' && waiting.work.phase !== 'waiting') return null;
  return attendanceProblem(waiting.attendance, waiting.nowMs);
}

function whoIs(waiting: Waiting): string {
  if (waiting.for === 'answer') return oneLine(waiting.work.agent);
  const { attendance } = waiting;
  return attendance.state === 'present' ? attendance.agents.map(oneLine).join(', ') : 'an agent';
}
