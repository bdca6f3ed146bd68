import type { BridgeTerms } from '../bridge/bridge-terms.js';
import { updateElsewhere } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { TaskJson } from '../protocol/task.js';

/**
 * Throws BridgeError `older-bridge` for a task that this bridge cannot take, before anything is written: an
 * older server would refuse it in words about unknown fields.
 */
export function checkTerms(task: TaskJson, terms: Pick<BridgeTerms, 'hasRequests' | 'hasStandby'>): void {
  if (task.request !== undefined && !terms.hasRequests) throw older('requests (API calls)');
  if (task.local_only !== undefined && !terms.hasStandby) throw older('tasks that are local only');
}

function older(what: string): BridgeError {
  return new BridgeError(`the bridge takes no ${what}: the llm-bridge on the server is older`, {
    code: 'older-bridge',
    remedy: updateElsewhere('the server and the PC'),
  });
}
