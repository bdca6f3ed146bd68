import { git } from '../support/git.js';

/** What has come in on `main` so far. As new as the last `update`. */
export interface MainTracker {
  update(): Promise<void>;
  tasks(): number;
  answers(): number;
  /** Tasks without an answer, those past their time left out. */
  pending(): number;
  /** The commits of the tasks without an answer. */
  waiting(): readonly string[];
}

/**
 * Counts tasks and answers by the files that commits change. For pace and progress; the invariant is checked
 * elsewhere.
 */
export function trackMain(repoPath: string, env: Record<string, string>, ttlMs: number): MainTracker {
  let last = '';
  let tasks = 0;
  let answers = 0;
  const open = new Map<string, number>();
  return {
    async update() {
      const found = await git(['rev-parse', 'refs/heads/main'], { gitDir: repoPath, env });
      const tip = found.stdout.trim();
      // Whoever kills everything kills this git as well; the next update makes up for it.
      if (found.exitCode !== 0 || tip === last) return;
      const format = '--format=%x00%H %ct %(trailers:key=Task,valueonly,separator=%x2C)';
      const range = last === '' ? tip : `${last}..${tip}`;
      const args = ['log', '--first-parent', '--reverse', '--name-only', format, range];
      const listed = await git(args, { gitDir: repoPath, env });
      if (listed.exitCode !== 0) return;
      for (const entry of listed.stdout.split('\0').slice(1)) {
        const [head = '', ...paths] = entry.split('\n').filter((line) => line !== '');
        const [id = '', seconds = '', task = ''] = head.split(' ');
        if (paths.includes('inbox.json')) {
          answers += 1;
          open.delete(task);
        } else if (paths.some((path) => path.startsWith('task.'))) {
          tasks += 1;
          open.set(id, Number(seconds) * 1000);
        }
      }
      last = tip;
    },
    tasks: () => tasks,
    answers: () => answers,
    pending: () => [...open.values()].filter((askedAtMs) => askedAtMs + ttlMs > Date.now()).length,
    waiting: () => [...open].filter(([, askedAtMs]) => askedAtMs + ttlMs > Date.now()).map(([id]) => id),
  };
}
