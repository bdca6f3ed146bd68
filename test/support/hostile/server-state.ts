import { createHash } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Everything in a bridge that a refused attempt must not change: each file's path, and a hash of its content.
 */
export type ServerState = ReadonlyMap<string, string>;

/** Reads it: refs, reflogs, every object file (also temporary ones), answers.log, config, hooks. */
export async function readServerState(repoPath: string): Promise<ServerState> {
  const state = new Map<string, string>();
  for (const entry of await readdir(repoPath, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(repoPath.length + 1);
    // An empty folder is the trace of an object that was there for a moment.
    if (entry.isDirectory()) {
      if (name.includes('tmp_') || name.includes('incoming')) state.set(`${name}/`, '');
    } else if (entry.isSymbolicLink()) state.set(name, `-> ${await readlink(path)}`);
    // A reader of a FIFO waits for a writer, and this FIFO has none left.
    else if (entry.isFIFO()) state.set(name, '|');
    else {
      const bytes = await readFile(path).catch(() => Buffer.from('gone'));
      state.set(name, createHash('sha1').update(bytes).digest('hex'));
    }
  }
  return state;
}

/** A process on the server that runs for a key. */
export interface ServerProcess {
  readonly pid: number;
  readonly command: string;
}

/** The processes with this key's name in their environment: its sessions, their hooks, and their clean-up. */
export async function serverProcesses(repoPath: string, name: string): Promise<ServerProcess[]> {
  const found: ServerProcess[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    const command = (await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')).replaceAll('\0', ' ');
    const words = environment.split('\0');
    const isSession =
      words.includes(`LLM_BRIDGE_PRINCIPAL=${name}`) && words.includes(`LLM_BRIDGE_SESSION=${repoPath}`);
    const isConnection = command.includes(`${repoPath}/bridge/ssh-command ${name}`);
    // It removes the FIFOs of a session that may already be over.
    const isTidying = command.startsWith(`rm -f ${repoPath}/bridge/standby.`);
    if (isSession || isConnection || isTidying) found.push({ pid: Number(pid), command });
  }
  return found;
}

/** What the processes of a key have cost a server. */
export interface ServerCost {
  /** The most memory at one moment, in bytes: the sum of the peaks of the living processes. */
  readonly bytes: number;
  /** Processor time of all of them together, in milliseconds, as far as it was seen while they lived. */
  readonly cpuMs: number;
  /** The memory by program. */
  readonly list: string;
}

/** Milliseconds in a clock tick of `/proc/<pid>/stat`: USER_HZ is 100 on every Linux. */
const TICK_MS = 10;

/** Watches what the processes of a key cost, until it is stopped. */
export function watchCost(repoPath: string, name: string): { stop(): Promise<ServerCost> } {
  const peaks = new Map<string, number>();
  const ticks = new Map<number, number>();
  let bytes = 0;
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      let sum = 0;
      for (const { pid, command } of await serverProcesses(repoPath, name)) {
        const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
        const peak = Number(/VmHWM:\s+([0-9]+) kB/.exec(status)?.[1] ?? 0) * 1024;
        const program = command
          .split(' ')
          .slice(0, 2)
          .map((word) => word.replace(/^.*\//, ''))
          .join(' ');
        peaks.set(program, Math.max(peaks.get(program) ?? 0, peak));
        sum += peak;
        // The 14th and 15th field, counted from behind the name, which may have blanks in it.
        const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (stat !== '') ticks.set(pid, Number(fields[11]) + Number(fields[12]));
      }
      bytes = Math.max(bytes, sum);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await watching;
      const list = [...peaks].map(([program, peak]) => `${program} ${(peak / 1e6).toFixed(0)}`).join(', ');
      const cpuMs = [...ticks.values()].reduce((all, one) => all + one, 0) * TICK_MS;
      return { bytes, cpuMs, list };
    },
  };
}
