import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileCommit } from '../git/commit-file.js';
import { type CommitIdentity, emailOf } from '../git/git-objects.js';
import { openObjectReader } from '../git/object-reader.js';
import { type RefUpdate, readRef, updateRefs } from '../git/refs.js';
import { repairBridge } from '../git/repair-bridge.js';
import type { Repository } from '../git/run-git.js';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF } from '../protocol/names.js';
import type { Submission } from './submission.js';

/** More lost races than there are askers on any server; after that a lock is stuck. */
const MAX_RACES = 50;

/** This many failures in a row while nobody else has moved `main` are no races: something blocks it. */
const MAX_VAIN = 3;

/** A message on main: its commit, and whether this call moved main to it. */
export interface Committed {
  readonly id: string;
  readonly isNew: boolean;
}

/**
 * Commits a message to a local bridge: objects first, then one compare-and-swap of `main`. So a kill leaves
 * either no message or a whole one. `alongside` names refs that move in the same transaction, just before
 * `main`.
 */
export async function commitLocal(
  repo: Repository,
  submission: Submission,
  by: CommitIdentity,
  alongside: (commit: string) => readonly RefUpdate[] = () => [],
): Promise<Committed> {
  const reader = openObjectReader(repo);
  let vain = { parent: '', times: 0 };
  try {
    for (let race = 0; race < MAX_RACES; race++) {
      const parent = await readRef(repo, MAIN_REF);
      if (parent === null) throw noMain(repo.gitDir);
      vain = { parent, times: vain.parent === parent ? vain.times + 1 : 0 };
      if (vain.times === MAX_VAIN) await repairBridge(repo);
      const made = await submission.compose({ repo, reader, requireFile: async () => {} }, parent);
      if ('done' in made) return { id: made.done, isNew: false };
      const commit = await writeFileCommit(repo, reader, { parent, file: submission.file, ...made, by });
      // git moves the refs in this order, and a crash in between moves only the first ones. So main comes
      // last.
      const updates = [...alongside(commit), { ref: MAIN_REF, to: commit, from: parent }];
      if ((await updateRefs(identified(repo, by), updates, 'ask')) === 'updated')
        return { id: commit, isNew: true };
      await sleep(Math.random() * 20 * (race + 1));
    }
  } finally {
    reader.close();
  }
  throw new BridgeError(`main of ${repo.gitDir} could not be moved in ${MAX_RACES} tries`, {
    code: 'stuck-lock',
    remedy: `see what holds it: llm-bridge doctor --repo ${shellQuote(repo.gitDir)}`,
    retryable: true,
  });
}

/** The repository with `by` as the committer: git needs one for the reflog, which names who moved a ref. */
export function identified(repo: Repository, by: CommitIdentity): Repository {
  return {
    ...repo,
    env: { ...repo.env, GIT_COMMITTER_NAME: by.name, GIT_COMMITTER_EMAIL: emailOf(by.name) },
  };
}

function noMain(gitDir: string): BridgeError {
  return new BridgeError(`${gitDir} has no branch main`, {
    code: 'no-main',
    remedy: 'restore it from a backup, or make a new bridge with llm-bridge init',
  });
}
