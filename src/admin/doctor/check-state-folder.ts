import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ANOTHER_FOLDER, faultOfStateFolder } from '../../agent/state-folder.js';
import { shellQuote } from '../../process/shell-quote.js';
import { formatDuration } from '../../protocol/duration.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** An agent that runs touches its lock every few seconds; see STALE_MS of the state folder. Milliseconds. */
const STALE_MS = 10_000;

/**
 * Looks whether the agent could keep its state in this folder, makes it where it is missing, as the agent would, and tells who holds
 * it.
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
  const lock = await stat(path.join(dir, 'agent.lock')).catch(() => null);
  if (lock === null) return ok(`${dir} can be written, and no agent runs in it`);
  const silentMs = nowMs - lock.mtimeMs;
  return silentMs < STALE_MS
    ? ok(`an agent runs in ${dir}`)
    : warning(
        `${dir} is locked by an agent that was killed ${formatDuration(silentMs)} ago`,
        'nothing: the next agent waits ten seconds and takes it over',
      );
}
