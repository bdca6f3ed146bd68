import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readRepairs } from '../../src/git/repairs-log.js';
import { git } from '../support/git.js';
import { readCodeBlocks } from '../support/read-markdown.js';
import { runProcess } from '../support/run-process.js';
import { pause, type SoakWorld } from './soak-world.js';

/** What the operator of the server had to do. */
export interface OperatorWork {
  gcRuns: number;
  rotations: number;
  /**
   * For how long a lock of a killed git has stood at the longest: nobody but those who use the bridge clears
   * them away.
   */
  longestLockMs: number;
}

/** A lock of so many milliseconds is not one that a git is just using. */
const OLD_LOCK_MS = 4000;

/**
 * What a server does beside the bridge, until the signal aborts: `git gc`, logrotate, sshd restarted. Of the
 * locks that a killed git leaves it takes note, and does nothing.
 */
export async function operate(world: SoakWorld, work: OperatorWork, signal: AbortSignal): Promise<void> {
  const rotate = await logrotate(world);
  await Promise.all([
    watchMain(),
    again('gc', 25_000, gc),
    again('logrotate', 20_000, rotateOnce),
    again('sshd', 90_000, restart),
  ]);

  async function watchMain(): Promise<void> {
    while (!signal.aborted) {
      await pause(1000, signal);
      await world.main.update();
      for (const { ageMs } of await oldLocks(world)) work.longestLockMs = Math.max(work.longestLockMs, ageMs);
    }
  }

  async function again(stream: string, meanMs: number, step: () => Promise<void>): Promise<void> {
    const random = world.random(stream);
    while (!signal.aborted) {
      await pause(random.wait(meanMs), signal);
      if (!signal.aborted) await step();
    }
  }

  async function gc(): Promise<void> {
    const done = await git(['gc', '--quiet'], { gitDir: world.bridge.repoPath, env: world.ownerEnv });
    work.gcRuns += 1;
    if (done.exitCode !== 0) await world.note('gc.txt', `${done.exitCode}: ${done.stderr}\n`);
  }

  async function rotateOnce(): Promise<void> {
    await rotate();
    work.rotations += 1;
  }

  async function restart(): Promise<void> {
    await world.restartSshd();
  }
}

/** How many locks of a killed git whoever came next has cleared away. */
export function clearedLocks(world: SoakWorld): number {
  return readRepairs(world.bridge.repoPath, 0).filter(({ text }) => /left by a killed git/.test(text)).length;
}

/** Locks in the bridge that nobody has touched for a while. */
export async function oldLocks(world: SoakWorld): Promise<{ name: string; ageMs: number }[]> {
  const { repoPath } = world.bridge;
  const names = (await readdir(repoPath, { recursive: true }).catch((): string[] => [])).filter(
    (name) => name.endsWith('.lock') && !name.startsWith('bridge/') && !name.startsWith('objects/tmp_objdir'),
  );
  const found: { name: string; ageMs: number }[] = [];
  for (const name of names) {
    const stats = await stat(join(repoPath, name)).catch(() => null);
    const ageMs = stats === null ? 0 : Date.now() - stats.mtimeMs;
    if (ageMs > OLD_LOCK_MS) found.push({ name, ageMs });
  }
  return found;
}

/**
 * logrotate with the settings of docs/operating.md, but for the user, the place, and how many files it
 * keeps.
 */
async function logrotate(world: SoakWorld): Promise<() => Promise<void>> {
  const page = await readFile(fileURLToPath(new URL('../../docs/operating.md', import.meta.url)), 'utf8');
  const block = readCodeBlocks(page).find((one) => one.info === 'logrotate');
  if (block === undefined) throw new Error('the page has no block for logrotate');
  const nameOf = async (flag: string): Promise<string> =>
    (await runProcess('id', [flag], { env: world.ownerEnv })).stdout.trim();
  const settings = block.text
    .replace('/srv/llm-bridge/bridge.git', world.bridge.repoPath)
    .replace('su bridge bridge', `su ${await nameOf('-un')} ${await nameOf('-gn')}`)
    .replace(/rotate \d+/, 'rotate 10000');
  const file = join(world.bridge.dir, 'logrotate.conf');
  await writeFile(file, settings);
  await chmod(file, 0o644);
  const state = join(world.bridge.dir, 'logrotate.state');
  const env = { ...world.ownerEnv, PATH: `${world.ownerEnv.PATH}:/usr/sbin:/sbin` };
  return async () => {
    const done = await runProcess('logrotate', ['--force', '--state', state, file], { env });
    if (done.exitCode !== 0 && done.exitCode !== 137)
      throw new Error(`logrotate exited with ${done.exitCode}: ${done.stderr}`);
  };
}
