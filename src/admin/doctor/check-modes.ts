import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { shellQuote } from '../../process/shell-quote.js';
import { closedToGroup } from '../settle-modes.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/**
 * Folders in which the owner must own everything. In `objects` only the folders are checked: there may be
 * very many files.
 */
const OWNED = ['hooks', 'bridge', 'refs', 'logs', 'info'];

/** The most paths that are named. */
const MAX_NAMED = 3;

/**
 * Checks who may change or read the bridge. Only its owner may write: whoever can write a role or a hook is
 * an agent, or the owner. No stranger may read. The group may read the bridge and the log, or nothing at
 * all. Nothing in it may belong to somebody else, as after a git that root ran there.
 */
export async function checkModes(gitDir: string, logPath: string): Promise<Verdict[]> {
  if (process.platform === 'win32') return [ok('not looked at on Windows')];
  const top = await lstat(gitDir);
  const entries = [{ file: gitDir, stats: top }, ...(await entriesOf(gitDir))];
  const verdicts: Verdict[] = [];
  const tell = (
    make: typeof broken,
    what: string,
    remedy: string,
    isBad: (stats: Stats, file: string) => boolean,
  ): void => {
    const bad = entries.filter(({ stats, file }) => isBad(stats, file)).map(({ file }) => file);
    if (bad.length === 0) return;
    verdicts.push(make(`${named(bad)} ${what}`, remedy));
  };
  const repo = shellQuote(gitDir);
  tell(
    broken,
    'can be written by others than the owner',
    `chmod -R go-w ${repo}`,
    (stats) => !stats.isSymbolicLink() && (stats.mode & 0o022) !== 0,
  );
  tell(
    warning,
    'can be entered by every user of this machine, questions and answers with it',
    `chmod o-rwx ${repo}`,
    (stats, file) => file === gitDir && (stats.mode & 0o007) !== 0,
  );
  tell(
    broken,
    'belongs to another user',
    `sudo chown -R ${top.uid}:${top.gid} ${repo}`,
    (stats) => stats.uid !== top.uid,
  );
  const shutOut = `chmod g-rwx ${repo}, if only the owner shall read`;
  const closed = await closedToGroup(gitDir);
  if (closed.length > 0) {
    const text = `the group may enter ${gitDir}, but cannot read ${named(closed)}: made under a narrow umask`;
    verdicts.push(warning(text, `llm-bridge init ${repo}; or ${shutOut}`));
  }
  const log = await lstat(logPath).catch(() => null);
  if (log?.isFile() && (log.mode & 0o040) === 0 && (top.mode & 0o050) === 0o050) {
    const remedy = `chmod g+r ${shellQuote(logPath)}; or ${shutOut}`;
    verdicts.push(warning(`the group may enter ${gitDir}, but cannot read ${logPath}`, remedy));
  }
  return verdicts.length > 0 ? verdicts : [ok('only the owner can write, and no stranger can read')];
}

function named(files: readonly string[]): string {
  const more = files.length > MAX_NAMED ? ` and ${files.length - MAX_NAMED} more` : '';
  return `${files.slice(0, MAX_NAMED).join(', ')}${more}`;
}

async function entriesOf(gitDir: string): Promise<{ file: string; stats: Stats }[]> {
  const names = [
    ...(await readdir(gitDir)),
    ...(await readdir(path.join(gitDir, 'objects')).catch(() => [])).map((name) => `objects/${name}`),
    ...(await Promise.all(OWNED.map((folder) => namesBelow(gitDir, folder)))).flat(),
  ];
  const found: { file: string; stats: Stats }[] = [];
  for (const name of names) {
    const file = path.join(gitDir, name);
    // A git that runs just now has removed it again.
    const stats = await lstat(file).catch(() => null);
    if (stats !== null) found.push({ file, stats });
  }
  return found;
}

async function namesBelow(gitDir: string, folder: string): Promise<string[]> {
  const names = await readdir(path.join(gitDir, folder), { recursive: true }).catch(() => []);
  return names.map((name) => `${folder}/${name}`);
}
