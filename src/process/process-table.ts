import { readdirSync, readFileSync } from 'node:fs';
import { runProgram } from './run-program.js';

/** One running process. `pid` and `startedAt` together are unique; a pid alone is used again. */
export interface ProcessEntry {
  readonly pid: number;
  readonly ppid: number;
  /** When it started, in whatever unit the system has; to be compared only. */
  readonly startedAt: string;
}

/**
 * Every running process of this machine, without those that have ended and only wait to be collected. From
 * `/proc` where there is one, because a small machine has no `ps`; else from `ps`.
 */
export async function listProcesses(): Promise<ProcessEntry[]> {
  return process.platform === 'linux' ? fromProc() : fromPs();
}

/** Without waiting for each of hundreds of small files: that costs five times as much as the reading. */
function fromProc(): ProcessEntry[] {
  // biome-ignore lint/plugin: Linux alone comes here
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  return pids.map(readStat).filter((entry) => entry !== null);
}

function readStat(pid: string): ProcessEntry | null {
  const stat = statOf(pid);
  if (stat === null) return null;
  // The name in parentheses may hold spaces and parentheses itself, so the fields are counted from behind
  // the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // proc(5): state is field 3, ppid 4, starttime 22.
  const [state, ppid, startedAt] = [fields[0], fields[1], fields[19]];
  if (state === undefined || startedAt === undefined || isOver(state)) return null;
  return { pid: Number(pid), ppid: Number(ppid), startedAt };
}

function statOf(pid: string): string | null {
  try {
    // biome-ignore lint/plugin: Linux alone comes here
    return readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    // It has ended between the listing and the reading.
    return null;
  }
}

async function fromPs(): Promise<ProcessEntry[]> {
  // biome-ignore lint/plugin: only the demo's sshd is ended this way, and it runs on no Windows
  const { stdout } = await runProgram(['ps', '-A', '-o', 'pid=,ppid=,state=,lstart='], {
    env: { ...process.env, LC_ALL: 'C' },
  });
  return stdout
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      const [pid, ppid, state, ...startedAt] = line.trim().split(/\s+/);
      if (state === undefined || isOver(state)) return [];
      return [{ pid: Number(pid), ppid: Number(ppid), startedAt: startedAt.join(' ') }];
    });
}

function isOver(state: string): boolean {
  return state.startsWith('Z') || state.startsWith('X');
}
