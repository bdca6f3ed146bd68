import path from 'node:path';
import { openObjectReader } from '../git/object-reader.js';
import { type RefUpdate, updateRefs } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { openGroupFile } from '../process/group-files.js';
import { CLAIMS_PREFIX, type Claim, claimRef, isLeaseOver } from '../protocol/claim.js';
import { MODELS_PREFIX, modelsRef } from '../protocol/models.js';
import { presenceRef } from '../protocol/presence.js';
import { readSideRefs, type SideRefs } from './side-refs.js';

/**
 * Deletes the presence, the models and the claims of an agent whose key is gone, and wakes the others:
 * nobody is to wait for it. Returns the refs that are gone. Throws BridgeError as updateRefs does.
 */
export function forgetAgent(repo: Repository, name: string): Promise<string[]> {
  return deleteSideRefs(repo, ({ claims, agents, models }) => {
    const there = agents.get(name);
    const has = models.get(name);
    return [
      ...(there === undefined ? [] : [{ ref: presenceRef(name), to: null, from: there.id }]),
      ...(has === undefined ? [] : [{ ref: modelsRef(name), to: null, from: has.id }]),
      ...endsOf(claims, (_task, claim) => claim?.agent === name),
    ];
  });
}

/** How long after the end of its lease a claim is left to a holder that renews late. Milliseconds. */
const SWEEP_AFTER_MS = 30_000;

/**
 * Deletes claims that a crash has left behind: their lease is over, or nobody can read them, and `doneAmong`
 * finds that their task needs none any more. `nowMs` is the bridge's clock. Returns their refs. Throws as
 * forgetAgent does.
 */
export function sweepClaims(
  repo: Repository,
  nowMs: number,
  doneAmong: (tasks: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<string[]> {
  return deleteSideRefs(repo, async ({ claims }) => {
    const over = endsOf(
      claims,
      (_task, claim) => claim === null || isLeaseOver(claim, nowMs - SWEEP_AFTER_MS),
    );
    if (over.length === 0) return [];
    const done = await doneAmong(over.map(({ ref }) => ref.slice(CLAIMS_PREFIX.length)));
    return over.filter(({ ref }) => done.has(ref.slice(CLAIMS_PREFIX.length)));
  });
}

function endsOf(
  claims: SideRefs['claims'],
  isOver: (task: string, claim: Claim | null) => boolean,
): RefUpdate[] {
  return [...claims]
    .filter(([task, { claim }]) => isOver(task, claim))
    .map(([task, { id }]) => ({ ref: claimRef(task), to: null, from: id }));
}

async function deleteSideRefs(
  repo: Repository,
  choose: (refs: SideRefs) => readonly RefUpdate[] | Promise<readonly RefUpdate[]>,
): Promise<string[]> {
  const reader = openObjectReader(repo);
  const updates = await readSideRefs(repo, reader)
    .then(choose)
    .finally(() => reader.close());
  const gone: string[] = [];
  // One by one: an agent that changes one of them meanwhile keeps that one alone.
  for (const update of updates)
    if ((await updateRefs(repo, [update], 'gone')) === 'updated') gone.push(update.ref);
  // Also for models: tasks that waited for this agent are for the others now.
  if (gone.some((ref) => ref.startsWith(CLAIMS_PREFIX) || ref.startsWith(MODELS_PREFIX)))
    await ring(repo.gitDir);
  return gone;
}

/** As post-receive does where a task was handed back, or models changed: `bridge-wait` follows this file. */
async function ring(gitDir: string): Promise<void> {
  const bell = await openGroupFile(path.join(gitDir, 'bridge', 'bell'), 'a');
  try {
    await bell.appendFile('.\n');
  } finally {
    await bell.close();
  }
}
