import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Everything in a bridge that a refused attempt must not change: each file's path, and a hash of its
 * content.
 */
export type ServerState = ReadonlyMap<string, string>;

/** The hash of a file as it was, by its path, with what says that it is still so. */
const hashed = new Map<string, { readonly stat: string; readonly hash: string }>();

/** Reads it: refs, reflogs, every object file (also temporary ones), answers.log, config, hooks. */
export function readServerState(repoPath: string): ServerState {
  const state = new Map<string, string>();
  for (const entry of readdirSync(repoPath, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(repoPath.length + 1);
    // An empty folder is the trace of an object that was there for a moment.
    if (entry.isDirectory()) {
      if (name.includes('tmp_') || name.includes('incoming')) state.set(`${name}/`, '');
    } else if (entry.isSymbolicLink()) state.set(name, `-> ${readlinkSync(path)}`);
    // A reader of a FIFO waits for a writer, and this FIFO has none left.
    else if (entry.isFIFO()) state.set(name, '|');
    else state.set(name, hashOf(path));
  }
  return state;
}

/** Reads the file only where something has happened to it: the system alone sets the time of that. */
function hashOf(path: string): string {
  try {
    const { ino, size, ctimeNs } = statSync(path, { bigint: true });
    const stat = `${ino} ${size} ${ctimeNs}`;
    const before = hashed.get(path);
    if (before?.stat === stat) return before.hash;
    const hash = createHash('sha1').update(readFileSync(path)).digest('hex');
    hashed.set(path, { stat, hash });
    return hash;
  } catch {
    return 'gone';
  }
}

/** A process on the server that runs for a key. */
export interface ServerProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * The processes with this key's name in their environment: its sessions, their hooks, and their clean-up.
 * Reads without waiting: there are hundreds of processes, and this is asked again and again.
 */
export function serverProcesses(repoPath: string, name: string): ServerProcess[] {
  const found: ServerProcess[] = [];
  for (const pid of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const commandLine = readOf(pid, 'cmdline');
    // A thread of the kernel has none.
    if (commandLine === '') continue;
    const command = commandLine.replaceAll('\0', ' ');
    const words = `\0${readOf(pid, 'environ')}\0`;
    const isSession =
      words.includes(`\0LLM_BRIDGE_PRINCIPAL=${name}\0`) &&
      words.includes(`\0LLM_BRIDGE_SESSION=${repoPath}\0`);
    const isConnection = command.includes(`${repoPath}/bridge/ssh-command ${name}`);
    // It removes the FIFOs of a session that may already be over.
    const isTidying = command.startsWith(`rm -f ${repoPath}/bridge/standby.`);
    if (isSession || isConnection || isTidying) found.push({ pid: Number(pid), command });
  }
  return found;
}

/** A file of a process; empty where the process has ended. */
function readOf(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
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

/** The peak of each is the system's own, so a process has to be seen once, and none of them is as short. */
const LOOK_EVERY_MS = 10;

/** Watches what the processes of a key cost, until it is stopped. */
export function watchCost(repoPath: string, name: string): { stop(): Promise<ServerCost> } {
  const peaks = new Map<string, number>();
  const ticks = new Map<number, number>();
  let bytes = 0;
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      let sum = 0;
      for (const { pid, command } of serverProcesses(repoPath, name)) {
        const status = readOf(pid, 'status');
        const peak = Number(/VmHWM:\s+([0-9]+) kB/.exec(status)?.[1] ?? 0) * 1024;
        const program = command
          .split(' ')
          .slice(0, 2)
          .map((word) => word.replace(/^.*\//, ''))
          .join(' ');
        peaks.set(program, Math.max(peaks.get(program) ?? 0, peak));
        sum += peak;
        // The 14th and 15th field, counted from behind the name, which may have blanks in it.
        const stat = readOf(pid, 'stat');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (stat !== '') ticks.set(pid, Number(fields[11]) + Number(fields[12]));
      }
      bytes = Math.max(bytes, sum);
      await sleep(LOOK_EVERY_MS);
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
