import type { BridgeView } from '../bridge/bridge-view.js';
import { readHistory } from '../git/read-history.js';
import { gitText, runGit } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';

/** The shortest prefix of an id that is looked up; git has the same limit. */
const MIN_PREFIX = 4;

/** The history in which to look: a repository, and the ref there that is `main`. */
export type Searched = Pick<BridgeView, 'repo' | 'ref'>;

/**
 * Finds a task by its id or the beginning of it; null where there is none. The lookup costs the same however
 * long history is, except for the check whether the task is on main. Throws BridgeError `usage` where the
 * text cannot be an id, or several tasks begin with it.
 */
export async function findTask({ repo, ref }: Searched, prefix: string): Promise<HistoryCommit | null> {
  if (!/^[0-9a-f]{4,64}$/i.test(prefix)) {
    throw new BridgeError(`${JSON.stringify(prefix.slice(0, 80))} is not the id of a task`, {
      code: 'usage',
      remedy: `give the ${MIN_PREFIX} first hex digits of it at least; "llm-bridge list" shows them`,
    });
  }
  const found = (await gitText(repo, ['rev-parse', `--disambiguate=${prefix.toLowerCase()}`])).split('\n');
  const tasks: HistoryCommit[] = [];
  for (const id of found.filter((line) => line !== '')) {
    const task = await taskCommit({ repo, ref }, id);
    if (task !== null) tasks.push(task);
  }
  if (tasks.length > 1) {
    throw new BridgeError(`${tasks.length} tasks begin with ${prefix}`, {
      code: 'usage',
      remedy: `give more of its id: ${tasks.map((task) => task.id.slice(0, prefix.length + 4)).join(', ')}`,
    });
  }
  return tasks[0] ?? null;
}

/**
 * The same in a view that has the history in which tasks can be pending. What is looked up is usually young;
 * all of history is fetched only where it is not. Throws BridgeError `no-such-task` as well; `why` says what
 * the task was wanted for.
 */
export async function findTaskAnywhere(
  view: BridgeView,
  prefix: string,
  { why = '', signal }: { readonly why?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<HistoryCommit> {
  let task = await findTask(view, prefix);
  if (task === null && !view.isLocal) {
    await view.reach('all', signal);
    task = await findTask(view, prefix);
  }
  if (task !== null) return task;
  throw new BridgeError(`no task on this bridge begins with ${prefix}${why}`, {
    code: 'no-such-task',
    remedy: '"llm-bridge list" shows the tasks',
  });
}

/** In place of an id: the task that this asker asked last. */
export const LAST = 'last';

/** How many of an asker's newest commits are read first: seldom are they all cancels. */
const NEWEST_COMMITS = 20;

/**
 * Finds the task that an asker asked last on this bridge, in a view that has the history in which tasks can
 * be pending; all of history is fetched where it is older. Throws BridgeError `no-such-task`.
 */
export async function findLastTask(
  view: BridgeView,
  asker: string,
  signal?: AbortSignal,
): Promise<HistoryCommit> {
  let task = await newestTaskOf(view, asker, signal);
  if (task === null && !view.isLocal) {
    await view.reach('all', signal);
    task = await newestTaskOf(view, asker, signal);
  }
  if (task !== null) return task;
  throw new BridgeError(`${asker} has asked nothing on this bridge yet, so there is no last task`, {
    code: 'no-such-task',
    remedy: 'name the task by its id; "llm-bridge list" shows the tasks of everybody',
  });
}

async function newestTaskOf(
  { repo, ref }: Searched,
  author: string,
  signal: AbortSignal | undefined,
): Promise<HistoryCommit | null> {
  for (const range of [{ maxCount: NEWEST_COMMITS }, {}]) {
    const commits = await readHistory(repo, { from: [ref], author, ...range }, signal);
    const task = commits.findLast((commit) => messageOf(commit).kind === 'task');
    if (task !== undefined) return task;
    if (commits.length < NEWEST_COMMITS) return null;
  }
  return null;
}

async function taskCommit({ repo, ref }: Searched, id: string): Promise<HistoryCommit | null> {
  const type = await runGit(repo, ['cat-file', '-t', id]);
  if (type.stdout.toString('utf8').trim() !== 'commit') return null;
  const [commit] = await readHistory(repo, { from: [id], maxCount: 1 });
  if (commit === undefined || messageOf(commit).kind !== 'task') return null;
  // A refused or raced push may have left an object that is not on main.
  const isOnMain = await runGit(repo, ['merge-base', '--is-ancestor', id, ref]);
  return isOnMain.exitCode === 0 ? commit : null;
}
