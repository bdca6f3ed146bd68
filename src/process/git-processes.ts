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

/** A process. Its pid is used again after its end; pid and start together are unique. */
export interface ProcessName {
  readonly pid: string;
  readonly startedAt: string;
}

/**
 * Commands of git that take no lock, whatever their arguments. Nobody has to wait for a slow fetch, or for a
 * reader that stays open.
 */
const READERS = new Set(['cat-file', 'upload-pack', 'pack-objects', 'rev-list', 'for-each-ref', 'log']);

/** Commands that name another repository and do not change it: the git at the other end does. */
const TO_ANOTHER = new Set(['push', 'fetch', 'ls-remote']);

/** Options of git itself that have their value in the next word. */
const WITH_VALUE = new Set(['-c', '-C', '--git-dir', '--work-tree', '--namespace', '--shallow-file']);

/**
 * Who may be working on the repository: each git whose working directory, arguments, environment, open files
 * or mapped files lie in it, but for one that only reads; each hook of it, which outlives a git that was
 * killed and may start another; any process that has one of its `.lock` files open; and a git of another
 * user that does not let itself be looked at. Null where there is no `/proc`.
 */
export async function findGitActivity(gitDir: string, procFolder: string): Promise<ProcessName[] | null> {
  const repo = await realpath(gitDir);
  const pids = (await readdir(procFolder).catch((): string[] => [])).filter((name) => /^[0-9]+$/.test(name));
  const own = String(process.pid);
  // Without our own entry it is no /proc of this system.
  if (!pids.includes(own)) return null;
  const found = await Promise.all(
    pids
      .filter((pid) => pid !== own)
      .map(async (pid) => {
        const startedAt = await startOf(path.join(procFolder, pid));
        if (startedAt === null) return [];
        return (await judge(path.join(procFolder, pid), repo)) === 'none' ? [] : [{ pid, startedAt }];
      }),
  );
  return found.flat();
}

/** Those of the processes that still run. */
export async function stillRunning(
  processes: readonly ProcessName[],
  procFolder: string,
): Promise<ProcessName[]> {
  const now = await Promise.all(processes.map(({ pid }) => startOf(path.join(procFolder, pid))));
  return processes.filter((one, index) => now[index] === one.startedAt);
}

/** When a process started, in the kernel's own count; null where there is none any more. */
async function startOf(proc: string): Promise<string | null> {
  const stat = await readFile(path.join(proc, 'stat'), 'latin1').catch(() => '');
  // Behind the name, which may hold anything: state is field 3, starttime 22 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || isOver(fields[0]) ? null : (fields[19] ?? null);
}

function isOver(state: string | undefined): boolean {
  return state === 'Z' || state === 'X';
}

async function judge(proc: string, repo: string): Promise<'none' | 'some' | 'unknown'> {
  const isIn = (file: string) => file === repo || file.startsWith(`${repo}/`);
  // Our own locks (bridge/ingest.lock) are not git's: a process that waits for one of them holds none of
  // git's.
  const isGitLock = (file: string) => isIn(file) && !file.startsWith(`${repo}/bridge/`);
  const openFiles = await linksIn(path.join(proc, 'fd'));
  if (openFiles?.some((file) => isGitLock(file) && /\.lock( \(deleted\))?$/.test(file))) return 'some';
  const cwd = await readlink(path.join(proc, 'cwd')).catch(() => null);
  const env = await wordsOf(path.join(proc, 'environ'));
  const variables = env?.filter((word) => REPOSITORY_VARIABLES.some((name) => word.startsWith(`${name}=`)));
  const args = await wordsOf(path.join(proc, 'cmdline'));
  const inQuarantine = variables?.some((word) => /^GIT_(QUARANTINE_PATH|OBJECT_DIRECTORY)=/.test(word));
  // A reader in quarantine reads what would be cleared away together with the locks.
  const command = args === null ? -1 : commandAt(args);
  if (inQuarantine === false && READERS.has(args?.[command] ?? '') && (await isGit(proc))) return 'none';
  if (await anyIn(isIn, cwd, variables)) return 'some';

  if (!(await isGit(proc))) return 'none';
  if (await anyIn(isIn, cwd, TO_ANOTHER.has(args?.[command] ?? '') ? args?.slice(0, command) : args))
    return 'some';
  const maps = await readFile(path.join(proc, 'maps'), 'utf8').catch(() => null);
  if (cwd === null || args === null || env === null || openFiles === null || maps === null) {
    // It has ended meanwhile, or it is another user's.
    return (await isGit(proc)) ? 'unknown' : 'none';
  }
  const mapped = maps.split('\n').map((line) => line.slice(line.indexOf('/')));
  return [cwd, ...openFiles, ...mapped].some(isIn) ? 'some' : 'none';
}

/**
 * Whether one of these words (`/path`, `--git-dir=/path`, `GIT_DIR=/path`) names something in the
 * repository.
 */
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

/** Which of the words of a git (`git --git-dir X cat-file --batch`) is its command. */
function commandAt(args: readonly string[]): number {
  let at = 1;
  while (args[at]?.startsWith('-')) at += WITH_VALUE.has(args[at] ?? '') ? 2 : 1;
  return at;
}

/**
 * By the name the kernel has for it, which anyone may read; `git`, `git-receive-pack`, whatever program git
 * started as itself.
 */
async function isGit(proc: string): Promise<boolean> {
  const stat = await readFile(path.join(proc, 'stat'), 'latin1').catch(() => '');
  const state = stat[stat.lastIndexOf(')') + 2];
  return !isOver(state) && stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')).startsWith('git');
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
