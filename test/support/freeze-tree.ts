import { listProcesses } from '../../src/process/process-table.js';
import { onCleanup } from './on-cleanup.js';

/**
 * Stops a server and all its children, like a network that drops every packet: its port still accepts
 * connections, and no data ever comes. They continue at the end of the test, or when the returned function
 * is called.
 */
export async function freezeTree(rootPid: number): Promise<() => void> {
  process.kill(rootPid, 'SIGSTOP');
  const frozen = new Set([rootPid]);
  for (let found = [rootPid]; found.length > 0; ) {
    const table = await listProcesses();
    found = table.filter((one) => frozen.has(one.ppid) && !frozen.has(one.pid)).map((one) => one.pid);
    for (const pid of found) if (signalled(pid, 'SIGSTOP')) frozen.add(pid);
  }
  const thaw = () => {
    for (const pid of frozen) signalled(pid, 'SIGCONT');
    frozen.clear();
  };
  onCleanup(thaw);
  return thaw;
}

/** False where the process has ended meanwhile. */
function signalled(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
