import { readBridgeSettings } from '../bridge/bridge-settings.js';
import type { BridgeView, Reach } from '../bridge/bridge-view.js';
import type { BridgeAccess } from '../bridge/connection.js';
import { sweepClaims } from '../bridge/forget-agent.js';
import { openBridgeView } from '../bridge/open-bridge-view.js';
import { openObjectReader } from '../git/object-reader.js';
import { readRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { PACKAGE_FILES } from '../process/own-package.js';
import { MAIN_REF } from '../protocol/names.js';
import { readTaskStatuses } from '../rules/task-status.js';
import { type IngestResult, ingest } from './ingest.js';
import { startDispatcher } from './on-answer/start-dispatcher.js';

/**
 * Brings `answers.log` of a bridge on this machine up to date, as the hook does, and starts the dispatcher
 * of `on-answer.d` for new records. Claims that nobody needs any more are deleted. Returns what ingest did;
 * throws what ingest throws.
 */
export async function catchUpLog(repo: Repository): Promise<IngestResult> {
  const result = await ingest(repo, { now: Date.now });
  if (result.added > 0) await tellOnAnswer(repo);
  // Nobody waits for them, and what cannot be deleted now is deleted the next time.
  await sweepDoneClaims(repo, Date.now()).catch(() => {});
  return result;
}

/**
 * Opens a bridge to read from it. A killed hook leaves answers out of the log; every reader on its machine
 * takes them in. Throws BridgeError as openBridgeView and ingest do.
 */
export async function openToRead(access: BridgeAccess, far: Reach): Promise<BridgeView> {
  const view = await openBridgeView(access, far);
  if (view.isLocal) await catchUpLog(view.repo);
  return view;
}

/**
 * Deletes the claims that a crash has left on tasks that have an answer, or that nobody may answer any more:
 * no agent may ever come for them. Throws BridgeError as sweepClaims does.
 */
export async function sweepDoneClaims(repo: Repository, nowMs: number): Promise<void> {
  await sweepClaims(repo, nowMs, async (tasks) => {
    const tip = await readRef(repo, MAIN_REF);
    if (tip === null) return new Set();
    const { taskTtlMs: ttlMs } = await readBridgeSettings(repo);
    const reader = openObjectReader(repo);
    try {
      const statuses = await readTaskStatuses({ repo, reader, tip, nowMs, ttlMs }, tasks);
      return new Set(tasks.filter((task) => statuses.get(task) !== 'open'));
    } finally {
      reader.close();
    }
  });
}

/** Starts the dispatcher of `on-answer.d` if there is something to run, and does not wait for it. */
export function tellOnAnswer(repo: Repository): Promise<void> {
  return startDispatcher(PACKAGE_FILES.onAnswer, repo.gitDir, process.env);
}
