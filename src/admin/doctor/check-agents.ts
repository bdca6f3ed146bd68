import { attendanceOf, attendanceProblem } from '../../bridge/attendance.js';
import type { WhoWorks } from '../../bridge/side-refs.js';
import { workWords } from '../../bridge/work-words.js';
import { shortId } from '../../protocol/names.js';
import { ok, type Verdict, warning } from './finding.js';

/**
 * Says who is there to answer, and warns where nobody is: no agent, or none that reaches a model server. On
 * a bridge that never had an agent this is a warning only once a task waits. `waiting`: how many tasks wait.
 * `working`: the tasks that are worked on, where that is known, because a crash leaves claims on others.
 */
export function judgeAgents(
  who: WhoWorks,
  bridge: {
    readonly nowMs: number;
    readonly takesClaims: boolean;
    readonly waiting: number;
    readonly working?: ReadonlySet<string>;
  },
): Verdict {
  const attendance = attendanceOf(who, bridge);
  const problem = attendanceProblem(attendance, bridge.nowMs);
  const { waiting, nowMs } = bridge;
  const at = [...who.running]
    .filter(([task]) => bridge.working?.has(task) ?? true)
    .map(
      ([task, work]) => `; ${[`${work.agent} is at ${shortId(task)}`, ...workWords(work, nowMs)].join(', ')}`,
    )
    .join('');
  if (problem !== null) {
    const isNew = attendance.state === 'absent' && attendance.last === null && waiting === 0;
    if (isNew) return ok(problem.text);
    const tasks = waiting === 0 ? '' : `; ${waiting === 1 ? 'a task waits' : `${waiting} tasks wait`}`;
    // Of an agent that is gone, a claim may be left. One that waits for its model server is at its task.
    const work = attendance.state === 'no-model-server' ? at : '';
    return warning(`${problem.text}${tasks}${work}`, problem.remedy);
  }
  if (attendance.state !== 'present')
    return ok('this bridge takes no claims, so no agent says that it is there');
  const { agents } = attendance;
  return ok(`${agents.join(', ')} ${agents.length === 1 ? 'is' : 'are'} there${at}`);
}
