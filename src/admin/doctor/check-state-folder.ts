import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ANOTHER_FOLDER, faultOfStateFolder, lookAtStateFolder } from '../../agent/state-folder.js';
import { shellQuote } from '../../process/shell-quote.js';
import { formatDuration } from '../../protocol/duration.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/**
 * Checks that the agent can keep its state in this folder, and says whether an agent runs there. Makes the
 * folder where it is missing, as the agent does. Throws BridgeError `state-folder` where the lock cannot be
 * read.
 */
export async function checkStateFolder(dir: string, nowMs: number): Promise<Verdict> {
  const remedy = `see who owns it: ls -ld ${shellQuote(dir)}; or name another one with --state-dir`;
  const probe = path.join(dir, `.doctor-${process.pid}`);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeFile(probe, '');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return broken(`the state folder ${dir} cannot be written (${code ?? message})`, remedy);
  } finally {
    await rm(probe, { force: true }).catch(() => {});
  }
  const stats = await stat(dir);
  const fault = faultOfStateFolder(stats);
  if (fault !== null) return broken(`the state folder ${dir} ${fault}`, ANOTHER_FOLDER);
  if (process.platform !== 'win32' && (stats.mode & 0o022) !== 0)
    return warning(`others can write to the state folder ${dir}`, `chmod go-w ${shellQuote(dir)}`);
  const use = await lookAtStateFolder(dir, nowMs);
  if (use.status === 'left')
    return warning(
      `${dir} is locked by an agent that was killed ${formatDuration(use.silentMs)} ago`,
      'nothing: the next agent waits ten seconds and takes it over',
    );
  return ok(
    use.status === 'held' ? `an agent runs in ${dir}` : `${dir} can be written, and no agent runs in it`,
  );
}
