import { readFileSync } from 'node:fs';
import { ForksPoolWorker, type PoolOptions } from 'vitest/node';

/** What vitest asks about: it does not export the type. */
type PoolTask = { readonly context: { readonly files: readonly { readonly filepath: string }[] } };

/**
 * A process that has more resident memory than this gets no further test file that starts many programs, and
 * a new one takes its place. Each start copies the page tables of the process that starts it, and 34,000
 * programs are started for the tests: with 100 MB one takes 3 ms of processor time, with 300 MB 10 ms; a new
 * process takes two seconds.
 */
const MOST_BYTES = 170 * 1024 * 1024;

/** Files that hardly start any. */
const STARTS_FEW = /\/test\/unit\/(?!gateway\/)/;

class LightWorker extends ForksPoolWorker {
  override readonly name = 'light-forks';

  canReuse({ context }: PoolTask): boolean {
    if (context.files.every(({ filepath }) => STARTS_FEW.test(filepath))) return true;
    const { fork } = this as unknown as { readonly fork: { readonly pid?: number } };
    return residentBytes(fork.pid) < MOST_BYTES;
  }
}

/** The pool of vitest's own processes, which end once they have become large. */
export const lightWorkers = {
  name: 'light-forks',
  createPoolWorker: (options: PoolOptions) => new LightWorker(options),
};

/** Where the system does not tell it: none. */
function residentBytes(pid: number | undefined): number {
  try {
    const [, pages = ''] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
    return Number(pages) * 4096;
  } catch {
    return 0;
  }
}
