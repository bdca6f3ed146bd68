import { access } from 'node:fs/promises';
import path from 'node:path';
import { firstWords } from '../../git/git-failure.js';
import { checkSoundness, readLocalConfig } from '../../git/porcelain.js';
import { readHistory } from '../../git/read-history.js';
import { resolveRef } from '../../git/refs.js';
import { type Repository, runGit } from '../../git/run-git.js';
import { shellQuote } from '../../process/shell-quote.js';
import { formatDuration } from '../../protocol/duration.js';
import { MAX_CLOCK_AHEAD_MS } from '../../protocol/limits.js';
import { MAIN_REF } from '../../protocol/names.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/**
 * The limit for `git fsck`. On a bridge of years it takes longer, and then only the newest commits are
 * checked.
 */
const FSCK_MS = 10_000;

/** The age of these newest commits. */
const LOOK_BACK_COMMITS = 200;

/** Checks `main`: it exists and is whole, its tip is not dated in the future, and its reflog is written. */
export async function checkHistory(repo: Repository, nowMs: number): Promise<Verdict[]> {
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
  const tip = await resolveRef(repo, MAIN_REF);
  if (tip === null) return [broken('there is no branch main', fsck)];
  const { status, said } = await lookAtObjects(repo);
  if (status === 'damaged')
    return [broken(`main cannot be read: ${said}`, `${fsck}; a clone or a backup has what is missing`)];
  const verdicts: Verdict[] = [];
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

/**
 * Checks whether the objects of main are there: all of them, or those of the newest commits where all take
 * too long.
 */
async function lookAtObjects(
  repo: Repository,
): Promise<{ readonly status: 'sound' | 'damaged'; readonly said: string }> {
  const whole = await checkSoundness(repo, MAIN_REF, AbortSignal.timeout(FSCK_MS));
  if (whole.status === 'damaged') return { status: 'damaged', said: firstWords(whole.said) };
  if (whole.status === 'sound') return { status: 'sound', said: '' };
  const range = [`--max-count=${LOOK_BACK_COMMITS}`, MAIN_REF];
  const walk = await runGit(repo, ['rev-list', '--objects', '--quiet', ...range]);
  if (walk.exitCode !== 0) return { status: 'damaged', said: firstWords(walk.stderr) };
  return {
    status: 'sound',
    said: `; its newest ${LOOK_BACK_COMMITS} commits are whole, and "git fsck" tells of all`,
  };
}
