import { stat } from 'node:fs/promises';
import path from 'node:path';
import { untilAborted } from '../../bridge/notifier.js';

/**
 * How much further back each fetch of one task goes: quick for what has just left the window, and bounded.
 * Commits.
 */
const STEPS = [1_000, 4_000, 16_000] as const;

/** Has the loop bring history from further back than the clone reaches: only the loop fetches. */
export interface Deepening {
  /** How many commits more the next fetch is to bring; undefined where nobody asked for any. */
  due(): number | undefined;
  /** Such a fetch is done. */
  fetched(): void;
  /** For one task: asks for more, and waits for it. False: there is no more, or it would be too much. */
  forTask(): (signal: AbortSignal) => Promise<boolean>;
}

/** Makes it for a clone. `requestFetch` asks the loop for a fetch. */
export function createDeepening(gitDir: string, requestFetch: () => void): Deepening {
  let asked: { commits: number; readonly done: Promise<void>; readonly finish: () => void } | null = null;

  function ask(commits: number): Promise<void> {
    if (asked === null) {
      let finish = () => {};
      const done = new Promise<void>((resolve) => {
        finish = resolve;
      });
      asked = { commits, done, finish };
    }
    asked.commits = Math.max(asked.commits, commits);
    requestFetch();
    return asked.done;
  }

  return {
    due: () => asked?.commits,
    fetched() {
      asked?.finish();
      asked = null;
    },
    forTask() {
      const left: number[] = [...STEPS];
      return async (signal) => {
        const isShallow = await stat(path.join(gitDir, 'shallow')).then(
          () => true,
          () => false,
        );
        const commits = left.shift();
        if (!isShallow || commits === undefined) return false;
        await untilAborted(ask(commits), signal);
        return true;
      };
    },
  };
}
