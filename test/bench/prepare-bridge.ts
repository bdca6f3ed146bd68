import type { Lab, LabBridge } from './lab.js';
import { type HistoryPlan, makeHistory } from './make-history.js';
import { taskText } from './texts.js';

/**
 * Makes a bridge with a history of short messages, brings its log up to it, and has `verify` hold the two
 * against each other.
 */
export async function prepareBridge(
  lab: Lab,
  name: string,
  plan: Pick<HistoryPlan, 'answered' | 'recent' | 'pending'> &
    Partial<Pick<HistoryPlan, 'questionOf' | 'answerOf' | 'pendingModel' | 'areCancelled'>> & {
      readonly serverPath?: string;
    },
): Promise<LabBridge & { readonly messageBytes: number }> {
  const bridge = await lab.makeBridge(name, plan.serverPath);
  const startedAt = performance.now();
  const { messageBytes } = await makeHistory(lab, bridge, {
    questionOf: (index) => `Question ${index}: ${taskText(index, 100)}`,
    answerOf: (index) => `Answer ${index}: ${taskText(-1 - index, 200)}`,
    nowMs: Date.now(),
    ...plan,
  });
  await lab.program(['ingest', '--repo', bridge.repoPath]);
  await lab.program(['verify', '--repo', bridge.repoPath]);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  lab.say(`${name}: ${plan.answered} answered tasks, logged and verified in ${seconds} s`);
  return { ...bridge, messageBytes };
}
