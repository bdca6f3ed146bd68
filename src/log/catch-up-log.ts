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

/** Starts the dispatcher of `on-answer.d` if there is something to run, and does not wait for it. */
export function tellOnAnswer(repo: Repository): Promise<void> {
  return startDispatcher(PACKAGE_FILES.onAnswer, repo.gitDir, process.env);
}
