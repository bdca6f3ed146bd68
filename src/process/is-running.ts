/**
 * Whether a process has this pid. It may be another process than the one that is meant: pids are used again.
 * True also for a process of another user.
 */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
