import path from 'node:path';
import {
  BESIDE_PREFIX,
  type BrokenRef,
  findBrokenRefs,
  removeBrokenRefs,
  removedRef,
} from '../../git/broken-refs.js';
import { logRepairs } from '../../git/repairs-log.js';
import type { Repository } from '../../git/run-git.js';
import { shellQuote } from '../../process/shell-quote.js';
import { MAIN_REF } from '../../protocol/names.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/**
 * Checks for refs that a power cut has broken; main has a check of its own. With `fix`, those outside the
 * record are removed, because they may be lost without harm. Any other belongs to the owner, and is only
 * named.
 */
export async function checkRefs(
  repo: Repository,
  options: { readonly fix: boolean; readonly nowMs: number },
): Promise<Verdict[]> {
  const all = await findBrokenRefs(repo, 'refs/');
  const beside = all.filter(({ ref }) => ref.startsWith(BESIDE_PREFIX));
  const removed = options.fix ? await removeBrokenRefs(repo, beside) : [];
  await logRepairs(repo.gitDir, removed.map(removedRef), options.nowMs);
  const verdicts = [
    ...removed.map((one) => ok(removedRef(one))),
    ...beside
      .filter((one) => !removed.includes(one))
      .map((one) =>
        broken(
          `${what(one)}, so that pushes or the upkeep fail`,
          `llm-bridge doctor --fix --repo ${shellQuote(repo.gitDir)}`,
        ),
      ),
    ...all
      .filter(({ ref }) => !ref.startsWith(BESIDE_PREFIX) && ref !== MAIN_REF)
      .map((one) => warning(`${what(one)}, so that the upkeep fails`, removalOf(repo, one))),
  ];
  return verdicts.length > 0 ? verdicts : [ok('each names something that is there')];
}

function what({ ref, kind, id }: BrokenRef): string {
  return kind === 'no-id'
    ? `the file of ${ref} says nothing`
    : `${ref} names ${id?.slice(0, 8)}, which is lost`;
}

/** git does not remove a ref that it cannot read. */
function removalOf(repo: Repository, { ref, kind }: BrokenRef): string {
  return kind === 'no-id'
    ? `rm ${shellQuote(path.join(repo.gitDir, ref))}`
    : `git --git-dir ${shellQuote(repo.gitDir)} update-ref -d ${shellQuote(ref)}`;
}
