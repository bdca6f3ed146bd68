import { MIN_GIT_VERSION } from '../../git/git-version.js';
import { readGitVersion } from '../../git/porcelain.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/**
 * The first version of each line of git without the known security holes. Distributions mend their git
 * without a new version number, so an old number is a warning at most.
 */
const MENDED_IN: readonly Version[] = [
  [2, 39, 4],
  [2, 40, 2],
  [2, 41, 1],
  [2, 42, 2],
  [2, 43, 4],
  [2, 44, 1],
  [2, 45, 1],
];

/** Checks the version of git. */
export async function checkGit(env: NodeJS.ProcessEnv): Promise<Verdict> {
  return judgeGit(await readGitVersion(env));
}

/** Judges the output of `git --version`. */
export function judgeGit(text: string): Verdict {
  const [, major, minor, patch = '0'] = /^git version ([0-9]+)\.([0-9]+)(?:\.([0-9]+))?/.exec(text) ?? [];
  if (major === undefined)
    return broken(`git says ${JSON.stringify(text)}, and no version`, 'install git again');
  const version: Version = [Number(major), Number(minor), Number(patch)];
  const [minMajor, minMinor] = MIN_GIT_VERSION;
  if (isBefore(version, [minMajor, minMinor, 0])) {
    return broken(
      `${text} is too old: it lacks cat-file --batch-command and core.fsync (both since 2.36), or is untested`,
      `install git ${MIN_GIT_VERSION.join('.')} or newer`,
    );
  }
  // https://github.com/git-for-windows/git/issues/5199: the msys2 runtime of this one build lets ssh hang.
  if (text.includes('2.47.0.windows.1'))
    return broken(`${text} hangs when it fetches over SSH`, 'winget upgrade --id Git.Git');
  // https://github.com/git/git/security/advisories/GHSA-mvxm-9j2h-qjx7 (CVE-2024-32021) and the related
  // ones: a repository made by another user of this machine can harm whoever clones it by its path.
  const mended = MENDED_IN.find(([, minorOfLine]) => minorOfLine === version[1]);
  if (mended !== undefined && isBefore(version, mended)) {
    return warning(
      `${text} has known holes (CVE-2024-32021 and others), unless your system has mended it`,
      `install git ${mended.join('.')} or newer`,
    );
  }
  return ok(text);
}

/** Major, minor, patch. */
export type Version = readonly [number, number, number];

/** Whether version `left` is older than `right`. */
function isBefore(left: Version, right: Version): boolean {
  const at = left.findIndex((number, index) => number !== right[index]);
  return at >= 0 && (left[at] ?? 0) < (right[at] ?? 0);
}
