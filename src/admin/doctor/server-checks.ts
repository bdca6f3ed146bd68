import type { LocalBridge } from '../../git/local-bridge.js';
import type { Check } from '../../protocol/run-checks.js';
import { checkLocks } from './check-locks.js';
import { checkRepository } from './check-repository.js';

/** What the server's side of `doctor` goes by. */
export interface ServerCheckOptions {
  readonly repoPath: string;
  readonly env: NodeJS.ProcessEnv;
  /** Whether to clear away what is proven to be nobody's. */
  readonly fix: boolean;
  readonly now: () => number;
}

/** The checks of a bridge on this machine, in their order. */
export function serverChecks(options: ServerCheckOptions): Check[] {
  const { repoPath, env, fix, now } = options;
  let opened: LocalBridge | null = null;
  const bridge = (): LocalBridge => {
    if (opened === null) throw new Error('the check "repository" comes first');
    return opened;
  };
  const found = (one: LocalBridge) => {
    opened = one;
  };
  const needs = ['repository'];
  return [
    { name: 'repository', run: () => checkRepository(repoPath, env, found) },
    { name: 'locks', needs, run: () => checkLocks(bridge().repo.gitDir, { fix, nowMs: now() }) },
  ];
}
