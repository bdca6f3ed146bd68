import { isLeaseOver } from '../protocol/claim.js';
import type { Presence } from '../protocol/presence.js';
import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { readSideRefs } from './side-refs.js';

/** Who is there, and who works on what. */
export interface WhoWorks {
  /** The agent that has a task now, by the task's id. A claim that has run out counts for nothing. */
  readonly running: ReadonlyMap<string, string>;
  /** What agents said of themselves last, by name. */
  readonly agents: readonly Presence[];
}

/** Reads claims and presences under `prefix`, as of `nowMs` by the server's clock. */
export async function whoWorks(repo: Repository, prefix: string, nowMs: number): Promise<WhoWorks> {
  const reader = openObjectReader(repo);
  try {
    const { claims, agents } = await readSideRefs(repo, reader, prefix);
    const running = new Map<string, string>();
    for (const [task, { claim }] of claims)
      if (claim !== null && !isLeaseOver(claim, nowMs)) running.set(task, claim.agent);
    const there = [...agents.values()].flatMap(({ presence }) => (presence === null ? [] : [presence]));
    return { running, agents: there.sort((a, b) => (a.agent < b.agent ? -1 : 1)) };
  } finally {
    reader.close();
  }
}
