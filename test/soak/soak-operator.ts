import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { git } from '../support/git.js';
import { readCodeBlocks } from '../support/read-markdown.js';
import { runProcess } from '../support/run-process.js';
import { pause, type SoakWorld } from './soak-world.js';

/** What the operator of the server had to do. */
export interface OperatorWork {
  gcRuns: number;
  rotations: number;
  staleLocks: number;
  maintenance: number;
}

/** A lock of so many milliseconds is not one that a git is just using. */
const OLD_LOCK_MS = 4000;

/** So many looks at `status` in vain, and the server is taken down for the next. */
const LOOKS_WHILE_OPEN = 6;

/**
 * What a server does beside the bridge, until the signal aborts: `status` now and then, `git gc`, logrotate, sshd restarted; and what the
 * docs/operating.md tells its operator to do after a git was killed: `doctor --fix`, once `status` names something.
 */
export async function operate(world: SoakWorld, work: OperatorWork, signal: AbortSignal): Promise<void> {
  const rotate = await logrotate(world);
  await Promise.all([
    watchLocks(),
    again('gc', 25_000, gc),
    again('logrotate', 20_000, rotateOnce),
    again('sshd', 90_000, restart),
  ]);

  async function watchLocks(): Promise<void> {
    let vain = 0;
    while (!signal.aborted) {
      await pause(1000, signal);
      await world.main.update();
      const stuck = await oldLocks(world);
      world.hold(stuck.length > 0);
      if (stuck.length === 0) {
        vain = 0;
        continue;
      }
      const before = work.staleLocks;
      const look = async (): Promise<void> => {
        work.staleLocks += await removeStaleLocks(world);
      };
      if (vain < LOOKS_WHILE_OPEN) await look();
      else {
        work.maintenance += 1;
        await world.restartSshd(look);
      }
      vain = work.staleLocks > before ? 0 : vain + 1;
    }
    world.hold(false);
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

/** Has `doctor --fix` remove the locks that `status` names, if it names any; answers how many are gone. */
export async function removeStaleLocks(world: SoakWorld): Promise<number> {
  const { repoPath } = world.bridge;
  const { exitCode, stdout, stderr } = await world.run(
    ['status', '--json', '--repo', repoPath],
    world.ownerEnv,
  );
  if (exitCode !== 0) {
    await world.note('status.txt', `${exitCode}: ${stderr}\n`);
    return 0;
  }
  const { stale_locks: named } = JSON.parse(stdout) as { stale_locks: { path: string }[] };
  if (named.length === 0) return 0;
  const doctor = await world.run(['doctor', '--fix', '--repo', repoPath], world.ownerEnv);
  await world.note('doctor.txt', `${doctor.stdout}${doctor.stderr}--- ${doctor.exitCode}\n`);
  const left = await Promise.all(named.map(({ path }) => stat(join(repoPath, path)).catch(() => null)));
  return left.filter((one) => one === null).length;
}

/** Locks in the bridge that nobody has touched for a while. */
export async function oldLocks(world: SoakWorld): Promise<string[]> {
  const { repoPath } = world.bridge;
  const names = (await readdir(repoPath, { recursive: true }).catch((): string[] => [])).filter(
    (name) => name.endsWith('.lock') && !name.startsWith('bridge/') && !name.startsWith('objects/tmp_objdir'),
  );
  const found: string[] = [];
  for (const name of names) {
    const stats = await stat(join(repoPath, name)).catch(() => null);
    if (stats !== null && Date.now() - stats.mtimeMs > OLD_LOCK_MS) found.push(name);
  }
  return found;
}

/** logrotate with the settings of docs/operating.md, but for the user, the place, and how many files it keeps. */
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
