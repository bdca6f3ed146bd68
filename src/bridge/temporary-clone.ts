import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { REMOTE_MAIN_REF } from '../git/fetch.js';
import { checkSoundness } from '../git/porcelain.js';
import type { Repository } from '../git/run-git.js';
import { timeLimit } from '../process/time-limit.js';
import { openClone } from './clone.js';

/** How long a check may take. A clone of some commits takes a few milliseconds. */
const CHECK_MS = 10_000;

/**
 * A clone in a folder for temporary files, which nothing depends on. After days it may be gone, or some of
 * its files: systems remove from that folder what was not touched for a while.
 */
export class TemporaryClone {
  readonly #prefix: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #leavesOutBytes: number | undefined;
  #folder: string;
  #repo: Repository;

  private constructor(prefix: string, env: NodeJS.ProcessEnv, made: { folder: string; repo: Repository }) {
    this.#prefix = prefix;
    this.#env = env;
    this.#leavesOutBytes = made.repo.leavesOutBytes;
    this.#folder = made.folder;
    this.#repo = made.repo;
  }

  /**
   * Makes one, empty. `purpose` is a word in the name of its folder. Files larger than `leavesOutBytes` stay
   * on the server; default: none.
   */
  static async open(
    purpose: string,
    env: NodeJS.ProcessEnv,
    leavesOutBytes?: number,
  ): Promise<TemporaryClone> {
    const prefix = path.join(os.tmpdir(), `llm-bridge-${purpose}-`);
    return new TemporaryClone(prefix, env, await make(prefix, env, leavesOutBytes));
  }

  /** The clone as it is now: ask for it at each use. */
  get repo(): Repository {
    return this.#repo;
  }

  /**
   * Does `work` with the clone. Where that fails and the clone is damaged, makes the clone again, has `fill`
   * fetch what it needs, and does it once more.
   */
  async use<T>(work: () => Promise<T>, fill: () => Promise<unknown>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (await this.#isSound()) throw error;
      await this.close();
      const { folder, repo } = await make(this.#prefix, this.#env, this.#leavesOutBytes);
      this.#folder = folder;
      this.#repo = repo;
      await fill();
      return await work();
    }
  }

  close(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  async #isSound(): Promise<boolean> {
    const found = await checkSoundness(this.#repo, REMOTE_MAIN_REF, timeLimit(CHECK_MS)).catch(() => null);
    return found !== null && found.status !== 'damaged';
  }
}

async function make(
  prefix: string,
  env: NodeJS.ProcessEnv,
  leavesOutBytes: number | undefined,
): Promise<{ folder: string; repo: Repository }> {
  await mkdir(path.dirname(prefix), { recursive: true });
  const folder = await mkdtemp(prefix);
  try {
    const repo = await openClone(path.join(folder, 'bridge.git'), env);
    const disposable = { ...repo, isDisposable: true };
    return { folder, repo: leavesOutBytes === undefined ? disposable : { ...disposable, leavesOutBytes } };
  } catch (error) {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    throw error;
  }
}
