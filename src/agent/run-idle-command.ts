import { runShellLine } from '../process/run-shell-line.js';
import { formatDuration } from '../protocol/duration.js';
import type { AgentOptions } from './agent-options.js';
import type { IdleMember } from './idle-group.js';
import type { IdleWatch } from './idle-watch.js';

/**
 * A command that lets a PC sleep only tells the system, and ends. One that runs longer is ended.
 * Milliseconds.
 */
const IDLE_COMMAND_MS = 30_000;

/**
 * Runs the command that lets the PC sleep, if the other bridges of the agent have nothing to do either. This
 * bridge starts no task meanwhile: what comes waits until after the sleep. Never throws for the command.
 */
export async function runIdleCommand(
  { idle: configured, log, env }: Pick<AgentOptions, 'idle' | 'log' | 'env'>,
  { idle, member }: { readonly idle: IdleWatch | null; readonly member: IdleMember },
  signal: AbortSignal,
): Promise<void> {
  if (configured === null) return;
  if (!(await member.mayRun(signal))) {
    idle?.restart();
    return;
  }
  const { afterMs, command } = configured;
  log('info', `nothing to do for ${formatDuration(afterMs)}: running --idle-command`, { event: 'idle' });
  const failed = await runShellLine(command, { env, timeoutMs: IDLE_COMMAND_MS, signal });
  if (failed !== null) log('warn', `--idle-command ${failed}`, { event: 'command-failed' });
  member.ran();
}
