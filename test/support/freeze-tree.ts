import { listProcesses } from '../../src/demo/process-table.js';
import { onCleanup } from './on-cleanup.js';

/**
 * Stops a server and all it has started, as a network that drops every packet does: what it listens on still takes connections, and
 * nothing is ever said. Goes on at the end of the test, or when the answer is called.
 */
export async function freezeTree(rootPid: number): Promise<() => void> {
  const frozen = new Set<number>();
  for (let found = [rootPid]; found.length > 0; ) {
    for (const pid of found) {
      frozen.add(pid);
      process.kill(pid, 'SIGSTOP');
    }
    const table = await listProcesses();
    found = table.filter((one) => frozen.has(one.ppid) && !frozen.has(one.pid)).map((one) => one.pid);
  }
  const thaw = () => {
    for (const pid of frozen) {
      try {
        process.kill(pid, 'SIGCONT');
      } catch {
        // It has ended meanwhile.
      }
    }
    frozen.clear();
  };
  onCleanup(thaw);
  return thaw;
}
