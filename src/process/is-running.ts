/**
 * Whether there is a process of this number. It may be another one than is meant: numbers are used again.
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
