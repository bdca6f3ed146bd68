import { access } from 'node:fs/promises';
import path from 'node:path';
import { firstWords } from '../../git/git-failure.js';
import { resolveRef } from '../../git/refs.js';
import { type Repository, runGit } from '../../git/run-git.js';
import { shellQuote } from '../../process/shell-quote.js';
import { formatDuration } from '../../protocol/duration.js';
import { MAX_CLOCK_AHEAD_MS } from '../../protocol/limits.js';
import { MAIN_REF } from '../../protocol/names.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** How far back objects are looked for; `git fsck` is for the rest, and takes its time. */
const LOOK_BACK_COMMITS = 200;

/** Looks at `main`: it is there, its newest commits can be read, its end is not dated ahead, and its changes are written to the reflog. */
export async function checkHistory(repo: Repository, nowMs: number): Promise<Verdict[]> {
  const fsck = `git --git-dir ${shellQuote(repo.gitDir)} fsck`;
  const format = await runGit(repo, ['config', '--local', '--get', 'extensions.refStorage']);
  if (format.exitCode === 0 && format.stdout.toString('utf8').trim() !== 'files') {
    return [
      broken(
        'its refs are kept as a reftable, which has no reflog file for agents to wait on',
        `git --git-dir ${shellQuote(repo.gitDir)} refs migrate --ref-format=files`,
      ),
    ];
  }
  const tip = await resolveRef(repo, MAIN_REF);
  if (tip === null) return [broken('there is no branch main', fsck)];
  const walk = await runGit(repo, [
    'rev-list',
    '--objects',
    '--quiet',
    `--max-count=${LOOK_BACK_COMMITS}`,
    MAIN_REF,
  ]);
  if (walk.exitCode !== 0) {
    return [
      broken(
        `main cannot be read: ${firstWords(walk.stderr)}`,
        `${fsck}; a clone or a backup has what is missing`,
      ),
    ];
  }
  const verdicts: Verdict[] = [];
  const date = await runGit(repo, ['log', '-1', '--format=%ct', MAIN_REF]);
  const aheadMs = Number(date.stdout.toString('utf8')) * 1000 - nowMs;
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
  const count = await runGit(repo, ['rev-list', '--count', '--max-count=2', MAIN_REF]);
  // git makes the file at the first update it writes down; a bridge that nobody has asked yet has none.
  if (!rings && count.stdout.toString('utf8').trim() === '2') {
    verdicts.push(
      warning('main has moved without a line in logs/HEAD, so nobody was told', `touch ${shellQuote(head)}`),
    );
  }
  return verdicts.length > 0 ? verdicts : [ok(`main is at ${tip.slice(0, 8)}`)];
}
