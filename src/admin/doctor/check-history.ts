import { existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { listPrincipals } from '../../bridge/principals.js';
import { readLocalConfig } from '../../git/porcelain.js';
import { readHistory } from '../../git/read-history.js';
import { resolveRef } from '../../git/refs.js';
import { logRepairs } from '../../git/repairs-log.js';
import type { Repository } from '../../git/run-git.js';
import { withLogFiles } from '../../log/log-files.js';
import { DISK } from '../../process/durable-file.js';
import { shellQuote } from '../../process/shell-quote.js';
import { formatDuration } from '../../protocol/duration.js';
import { MAX_CLOCK_AHEAD_MS } from '../../protocol/limits.js';
import { MAIN_REF } from '../../protocol/names.js';
import { scanLog } from './check-log.js';
import { broken, ok, type Verdict, warning } from './finding.js';
import { lookAtObjects } from './look-at-objects.js';
import { findLostMain, type LostMain, removeEmptyObjects, restoreMain } from './restore-main.js';

/** What `checkHistory` needs to know. */
export interface HistoryCheckOptions {
  /** Whether to restore a lost main where the reflog proves where it was. */
  readonly fix: boolean;
  readonly nowMs: number;
  /** The path of `answers.log`. */
  readonly logPath: string;
}

/**
 * Checks `main`: it exists and is whole, its tip is not dated in the future, and its reflog is written. With
 * `fix`, a main that a power cut has lost is restored where that follows by proof.
 */
export async function checkHistory(repo: Repository, options: HistoryCheckOptions): Promise<Verdict[]> {
  const { fix, nowMs, logPath } = options;
  const fsck = `git --git-dir ${shellQuote(repo.gitDir)} fsck`;
  const refStorage = (await readLocalConfig(repo)).get('extensions.refstorage')?.at(-1) ?? 'files';
  if (refStorage !== 'files') {
    return [
      broken(
        'its refs are kept as a reftable, which has no reflog file for agents to wait on',
        `git --git-dir ${shellQuote(repo.gitDir)} refs migrate --ref-format=files`,
      ),
    ];
  }
  const lost = await findLostMain(
    repo,
    async () => (await withLogFiles(DISK, logPath, scanLog)).last?.commit ?? null,
  );
  const verdicts: Verdict[] = [];
  if (lost !== null) {
    const verdict = fix ? await restore(repo, lost, nowMs) : judgeLost(repo, lost);
    if (verdict.status === 'broken') return [verdict];
    verdicts.push(verdict);
  }
  const tip = await resolveRef(repo, MAIN_REF);
  if (tip === null) return [broken('there is no branch main', fsck)];
  const { status, said } = await lookAtObjects(repo, MAIN_REF);
  if (status === 'damaged')
    return [broken(`main cannot be read: ${said}`, `${fsck}; ${whoHasIt(repo.gitDir)}`)];
  const newest = await readHistory(repo, { from: [MAIN_REF], maxCount: 2 });
  const aheadMs = (newest.at(-1)?.committedAtMs ?? 0) - nowMs;
  if (aheadMs > MAX_CLOCK_AHEAD_MS) {
    verdicts.push(
      warning(
        `the newest commit is dated ${formatDuration(aheadMs)} ahead of the clock of this machine`,
        'timedatectl set-ntp true',
      ),
    );
  }
  const head = path.join(repo.gitDir, 'logs', 'HEAD');
  const rings = await access(head).then(
    () => true,
    () => false,
  );
  // git makes the file at the first update that it logs; a bridge without any message has none yet.
  if (!rings && newest.length === 2) {
    verdicts.push(
      warning('main has moved without a line in logs/HEAD, so nobody was told', `touch ${shellQuote(head)}`),
    );
  }
  return verdicts.length > 0 ? verdicts : [ok(`main is at ${tip.slice(0, 8)}${said}`)];
}

/** How many commits are named that a restored main leaves behind. */
const NAMED_COMMITS = 10;

function judgeLost(repo: Repository, lost: LostMain): Verdict {
  const doctor = `llm-bridge doctor --fix --repo ${shellQuote(repo.gitDir)}`;
  if (lost.proof !== null) return broken(`${lost.said}; it can go back to ${where(lost.proof)}`, doctor);
  const { gitDir } = repo;
  const file = shellQuote(path.join(gitDir, MAIN_REF));
  // git would not fetch into what it cannot read.
  const aside = existsSync(path.join(gitDir, MAIN_REF))
    ? `mv ${file} ${shellQuote(`${gitDir}/lost-main`)} && `
    : '';
  return broken(
    `${lost.said}, and no line of its reflog proves where it was; ${whoHasIt(gitDir)}`,
    `${aside}git --git-dir ${shellQuote(gitDir)} fetch CLONE +refs/remotes/bridge/main:${MAIN_REF}`,
  );
}

async function restore(repo: Repository, lost: LostMain, nowMs: number): Promise<Verdict> {
  if (lost.proof === null) await removeEmptyObjects(repo.gitDir);
  if (lost.proof === null || !(await restoreMain(repo, lost.proof.id))) return judgeLost(repo, lost);
  const done = `main is restored to ${where(lost.proof)} (${lost.said})`;
  await logRepairs(repo.gitDir, [done], nowMs);
  if (lost.proof.leaves.length === 0) return ok(done);
  return warning(
    done,
    `whoever has fetched what is left behind finds main rewound: push it from there, or delete that clone (${whoHasIt(repo.gitDir)})`,
  );
}

function where({ id, leaves }: NonNullable<LostMain['proof']>): string {
  const named = leaves.slice(0, NAMED_COMMITS).map((one) => one.slice(0, 8));
  const more = leaves.length > named.length ? ` and ${leaves.length - named.length} more` : '';
  const rest = leaves.length === 0 ? '' : `, which leaves behind ${named.join(', ')}${more}`;
  return `${id.slice(0, 8)}${rest}`;
}

/** Who may have objects that are lost here: every agent has a clone of what may still be pending. */
function whoHasIt(gitDir: string): string {
  const agents = listPrincipals(gitDir)
    .filter(({ role }) => role === 'agent')
    .map(({ name }) => name);
  const clones = agents.length === 0 ? 'a clone' : `the clone of an agent (${agents.join(', ')})`;
  return `a backup (docs/operating.md) or ${clones} has it`;
}
