import { firstWords } from '../../git/git-meaning.js';
import { checkSoundness } from '../../git/porcelain.js';
import { type Repository, runGit } from '../../git/run-git.js';
import { timeLimit } from '../../process/time-limit.js';

/**
 * The limit for `git fsck`. On a bridge of years it takes longer, and then only the newest commits are
 * checked.
 */
const FSCK_MS = 10_000;

/** How many of the newest commits are checked then. */
const LOOK_BACK_COMMITS = 200;

/**
 * Checks whether the objects behind a ref or commit are there: all of them, or those of the newest commits
 * where all take too long. `said` has git's first words where it is damaged, else what was left out.
 */
export async function lookAtObjects(
  repo: Repository,
  from: string,
): Promise<{ readonly status: 'sound' | 'damaged'; readonly said: string }> {
  const whole = await checkSoundness(repo, from, timeLimit(FSCK_MS));
  if (whole.status === 'damaged') return { status: 'damaged', said: firstWords(whole.said) };
  if (whole.status === 'sound') return { status: 'sound', said: '' };
  const range = [`--max-count=${LOOK_BACK_COMMITS}`, from];
  const walk = await runGit(repo, ['rev-list', '--objects', '--quiet', ...range]);
  if (walk.exitCode !== 0) return { status: 'damaged', said: firstWords(walk.stderr) };
  return {
    status: 'sound',
    said: `; its newest ${LOOK_BACK_COMMITS} commits are whole, and "git fsck" tells of all`,
  };
}
