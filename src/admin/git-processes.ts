import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';

/** Variables by which a git is pointed at a repository. */
const REPOSITORY_VARIABLES = ['GIT_DIR', 'GIT_COMMON_DIR', 'GIT_OBJECT_DIRECTORY', 'GIT_WORK_TREE'];

/**
 * Whether a git process works on the repository: one whose working directory, arguments, environment, open files or mapped
 * files lie in it, or any process that has one of its `.lock` files open. `unknown` where there is no `/proc`, or a git of
 * another user does not let itself be looked at.
 */
export async function findGitProcesses(
  gitDir: string,
  procFolder: string,
): Promise<'none' | 'some' | 'unknown'> {
  const repo = await realpath(gitDir);
  const pids = await readdir(procFolder).then(
    (names) => names.filter((name) => /^[0-9]+$/.test(name)),
    () => null,
  );
  // Without our own entry it is no /proc of this system.
  if (pids === null || !pids.includes(String(process.pid))) return 'unknown';
  const found = await Promise.all(pids.map((pid) => judge(path.join(procFolder, pid), repo)));
  if (found.includes('some')) return 'some';
  return found.includes('unknown') ? 'unknown' : 'none';
}

async function judge(proc: string, repo: string): Promise<'none' | 'some' | 'unknown'> {
  const isOurs = (file: string) => file === repo || file.startsWith(`${repo}/`);
  const isLock = (file: string) => isOurs(file) && /\.lock( \(deleted\))?$/.test(file);
  const openFiles = await linksIn(path.join(proc, 'fd'));
  if (openFiles?.some(isLock)) return 'some';
  if (!(await isGit(proc))) return 'none';
  const cwd = await readlink(path.join(proc, 'cwd')).catch(() => null);
  const args = await wordsOf(path.join(proc, 'cmdline'));
  const env = await wordsOf(path.join(proc, 'environ'));
  const maps = await readFile(path.join(proc, 'maps'), 'utf8').catch(() => null);
  if (cwd === null || args === null || env === null || openFiles === null || maps === null) {
    // It has ended meanwhile, or it is another user's.
    return (await isGit(proc)) ? 'unknown' : 'none';
  }
  const named = [
    // `--git-dir /path`, `--git-dir=/path`, and the path alone.
    ...args.flatMap((word) => [word, word.slice(word.indexOf('=') + 1)]),
    ...env
      .filter((word) => REPOSITORY_VARIABLES.some((name) => word.startsWith(`${name}=`)))
      .map((word) => word.slice(word.indexOf('=') + 1)),
  ];
  for (const word of named) {
    const file = await realpath(path.resolve(cwd, word)).catch(() => null);
    if (file !== null && isOurs(file)) return 'some';
  }
  const mapped = maps.split('\n').map((line) => line.slice(line.indexOf('/')));
  return [cwd, ...openFiles, ...mapped].some(isOurs) ? 'some' : 'none';
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
