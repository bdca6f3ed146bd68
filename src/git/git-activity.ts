import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';

/** Variables by which a git, or a hook that may start one, is pointed at a repository. */
const REPOSITORY_VARIABLES = [
  'GIT_DIR',
  'GIT_COMMON_DIR',
  'GIT_OBJECT_DIRECTORY',
  'GIT_QUARANTINE_PATH',
  'GIT_WORK_TREE',
];

/** What can be said of processes and a repository. */
export type GitActivity = 'none' | 'some' | 'unknown';

/**
 * Whether anything works on the repository: a git whose working directory, arguments, environment, open files or mapped files lie
 * in it; a hook of it, which outlives a git that was killed and may start another; any process that has one of its `.lock` files
 * open. `unknown` where there is no `/proc`, or a git of another user does not let itself be looked at.
 */
export async function findGitActivity(gitDir: string, procFolder: string): Promise<GitActivity> {
  const repo = await realpath(gitDir);
  const pids = (await readdir(procFolder).catch((): string[] => [])).filter((name) => /^[0-9]+$/.test(name));
  const own = String(process.pid);
  // Without our own entry it is no /proc of this system.
  if (!pids.includes(own)) return 'unknown';
  const others = pids.filter((pid) => pid !== own);
  const found = await Promise.all(others.map((pid) => judge(path.join(procFolder, pid), repo)));
  if (found.includes('some')) return 'some';
  return found.includes('unknown') ? 'unknown' : 'none';
}

async function judge(proc: string, repo: string): Promise<GitActivity> {
  const isIn = (file: string) => file === repo || file.startsWith(`${repo}/`);
  const openFiles = await linksIn(path.join(proc, 'fd'));
  if (openFiles?.some((file) => isIn(file) && /\.lock( \(deleted\))?$/.test(file))) return 'some';
  const cwd = await readlink(path.join(proc, 'cwd')).catch(() => null);
  const env = await wordsOf(path.join(proc, 'environ'));
  const variables = env?.filter((word) => REPOSITORY_VARIABLES.some((name) => word.startsWith(`${name}=`)));
  if (await anyIn(isIn, cwd, variables)) return 'some';

  if (!(await isGit(proc))) return 'none';
  const args = await wordsOf(path.join(proc, 'cmdline'));
  if (await anyIn(isIn, cwd, args)) return 'some';
  const maps = await readFile(path.join(proc, 'maps'), 'utf8').catch(() => null);
  if (cwd === null || args === null || env === null || openFiles === null || maps === null) {
    // It has ended meanwhile, or it is another user's.
    return (await isGit(proc)) ? 'unknown' : 'none';
  }
  const mapped = maps.split('\n').map((line) => line.slice(line.indexOf('/')));
  return [cwd, ...openFiles, ...mapped].some(isIn) ? 'some' : 'none';
}

/** Whether one of these words (`/path`, `--git-dir=/path`, `GIT_DIR=/path`) names something in the repository. */
async function anyIn(
  isIn: (file: string) => boolean,
  cwd: string | null,
  words: readonly string[] | null | undefined,
): Promise<boolean> {
  for (const word of words ?? []) {
    for (const text of new Set([word, word.slice(word.indexOf('=') + 1)])) {
      const file = await realpath(path.resolve(cwd ?? '/', text)).catch(() => null);
      if (file !== null && isIn(file)) return true;
    }
  }
  return false;
}

/** By the name the kernel has for it, which anyone may read; `git`, `git-receive-pack`, whatever program git started as itself. */
async function isGit(proc: string): Promise<boolean> {
  const stat = await readFile(path.join(proc, 'stat'), 'latin1').catch(() => '');
  const isOver = /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  return !isOver && stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')).startsWith('git');
}

async function linksIn(folder: string): Promise<string[] | null> {
  const names = await readdir(folder).catch(() => null);
  if (names === null) return null;
  const links = await Promise.all(names.map((name) => readlink(path.join(folder, name)).catch(() => null)));
  return links.filter((link) => link !== null);
}

async function wordsOf(file: string): Promise<string[] | null> {
  const text = await readFile(file, 'utf8').catch(() => null);
  return text === null ? null : text.split('\0').filter((word) => word !== '');
}
