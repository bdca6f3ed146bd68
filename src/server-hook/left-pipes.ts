import { lstat, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { isRunning } from '../process/is-running.js';

/**
 * The pipes and the copy of the pack of a push (`hooks/ssh-command`), by the pid of its session. They are
 * opened and lose their names in the same moment.
 */
const PIPE_NAME = /^standby\.([0-9]{1,10})\.(?:in|out|pack)$/;

/** A name that is older belongs to no session, whatever process has its pid now. Milliseconds. */
const OLD_MS = 10 * 60_000;

/**
 * Removes what a session has left that was killed between making its pipes and taking their names away.
 * Never throws. `nowMs`: the time by the clock of this machine.
 */
export async function sweepLeftPipes(gitDir: string, nowMs: number): Promise<void> {
  const folder = path.join(gitDir, 'bridge');
  const names = await readdir(folder).catch(() => []);
  const sweep = async (name: string): Promise<void> => {
    const pid = PIPE_NAME.exec(name)?.[1];
    if (pid === undefined) return;
    const file = path.join(folder, name);
    const isOver = !isRunning(Number(pid)) || nowMs - (await lstat(file)).mtimeMs > OLD_MS;
    // Not a folder, which this cannot remove.
    if (isOver) await rm(file, { force: true });
  };
  await Promise.allSettled(names.map(sweep));
}
