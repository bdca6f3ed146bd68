import { type BridgeView, openBridgeView, type Reach } from '../bridge/bridge-view.js';
import type { BridgeAccess } from '../bridge/connection.js';
import type { Repository } from '../git/run-git.js';
import { PACKAGE_FILES } from '../process/own-package.js';
import { type IngestResult, ingest } from './ingest.js';
import { startDispatcher } from './on-answer/start-dispatcher.js';

/**
 * Brings `answers.log` of a bridge on this machine up to date, as the hook does, and starts the dispatcher of
 * `on-answer.d` for new records. Returns what ingest did; throws what ingest throws.
 */
export async function catchUpLog(repo: Repository): Promise<IngestResult> {
  const result = await ingest(repo, { now: Date.now });
  if (result.added > 0) await tellOnAnswer(repo);
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

/** Starts the dispatcher of `on-answer.d` if there is something to run, and does not wait for it. */
export function tellOnAnswer(repo: Repository): Promise<void> {
  return startDispatcher(PACKAGE_FILES.onAnswer, repo.gitDir, process.env);
}
