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

/**
 * The most memory that the processes of a key have used at one moment, in bytes. It is the sum of the peaks
 * of the living processes, so never less than what they used together. Watches until it is stopped; `list`
 * gives it by program.
 */
export function watchMemory(
  repoPath: string,
  name: string,
): { stop(): Promise<{ bytes: number; list: string }> } {
  const peaks = new Map<string, number>();
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
      }
      bytes = Math.max(bytes, sum);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await watching;
      const list = [...peaks].map(([program, peak]) => `${program} ${(peak / 1e6).toFixed(0)}`).join(', ');
      return { bytes, list };
    },
  };
}
