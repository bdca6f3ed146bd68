import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** What a process of the bridge is; `…-git` and `…-ssh` are what the one before the dash has started. */
export type ProcessKind =
  | 'agent'
  | 'agent-git'
  | 'agent-ssh'
  | 'ask'
  | 'ask-git'
  | 'ask-ssh'
  | 'bot-git'
  | 'bot-ssh'
  | 'watch'
  | 'watch-git'
  | 'operator'
  | 'operator-git'
  | 'sshd-session'
  | 'ssh-command'
  | 'gate'
  | 'receive-pack'
  | 'index-pack'
  | 'upload-pack'
  | 'doorbell'
  | 'hook-sh'
  | 'pre-receive'
  | 'post-receive'
  | 'standby'
  | 'hook-git'
  | 'gc'
  | 'other';

/** A process of the bridge under test. `pid` and `startedAt` together name it for good. */
export interface BridgeProcess {
  readonly pid: number;
  readonly ppid: number;
  readonly startedAt: string;
  readonly words: readonly string[];
  readonly kind: ProcessKind;
}

/** Sees the processes of one bridge, and no others. */
export interface BridgeProcesses {
  /** All that run now. */
  scan(): BridgeProcess[];
  /** SIGKILL. False where it has ended by itself. */
  kill(process: BridgeProcess): boolean;
}

interface Entry {
  readonly pid: number;
  readonly ppid: number;
  readonly startedAt: string;
  readonly comm: string;
}

/**
 * The processes of the bridge below the folder `dir`: those whose environment, arguments or working
 * directory name it, and what the sshd `sshdPid()` has started; never that sshd itself, and nothing else on
 * this machine. Linux only. Reads `/proc` without waiting: a process that is to be killed in the middle of
 * something lives for milliseconds.
 */
export function bridgeProcesses(dir: string, sshdPid: () => number): BridgeProcesses {
  /**
   * What was seen to be somebody else's, by pid, start and name: another program in its place is looked at
   * again.
   */
  const foreign = new Set<string>();

  function scan(): BridgeProcess[] {
    const table = new Map(readTable().map((entry) => [entry.pid, entry]));
    const mine = new Map<number, { entry: Entry; words: string[] }>();
    const seen = new Set<string>();
    for (const entry of table.values()) {
      if (entry.pid === process.pid || entry.pid === sshdPid()) continue;
      const key = `${entry.pid} ${entry.startedAt} ${entry.comm}`;
      seen.add(key);
      const ofSshd = descendsFrom(entry, sshdPid(), table);
      if (foreign.has(key) && !ofSshd) continue;
      const words = wordsOf(entry.pid, 'cmdline');
      if (ofSshd || names(entry.pid, words, dir)) mine.set(entry.pid, { entry, words });
      else foreign.add(key);
    }
    for (const key of foreign) if (!seen.has(key)) foreign.delete(key);
    const kindOf = (pid: number): ProcessKind | null => {
      const found = mine.get(pid);
      if (found === undefined) return null;
      return classify(found.entry.comm, found.words, kindOf(found.entry.ppid));
    };
    return [...mine.values()].map(({ entry, words }) => ({
      pid: entry.pid,
      ppid: entry.ppid,
      startedAt: entry.startedAt,
      words,
      kind: kindOf(entry.pid) ?? 'other',
    }));
  }

  return {
    scan,
    kill(victim) {
      const now = readEntry(String(victim.pid));
      if (now === null || now.startedAt !== victim.startedAt) return false;
      try {
        process.kill(victim.pid, 'SIGKILL');
        return true;
      } catch {
        return false;
      }
    },
  };
}

/**
 * `parent` is the kind of the process that started this one; null where that one is gone or not of the
 * bridge.
 */
function classify(comm: string, words: readonly string[], parent: ProcessKind | null): ProcessKind {
  const line = words.join(' ');
  if (comm.startsWith('sshd')) return 'sshd-session';
  const command = /\/cli\/main\.js (\w+)/.exec(line)?.[1];
  if (command === 'agent' || command === 'ask' || command === 'watch') return command;
  if (command !== undefined) return 'operator';
  // The flock in front of it, too.
  if (line.includes('standby.cjs')) return 'standby';
  if (line.includes('pre-receive.cjs')) return 'pre-receive';
  if (line.includes('post-receive.cjs')) return 'post-receive';
  if (/\/bridge\/ssh-command/.test(line)) return 'ssh-command';
  if (/\bhooks\/(?:pre|post)-receive/.test(line)) return 'hook-sh';
  if (/\/bridge\/receive-pack|^(?:dd|cat|timeout) /.test(line)) return 'gate';
  if (comm === 'tail') return 'doorbell';
  const client = clientOf(parent);
  if (comm === 'ssh')
    return client === null || client === 'watch' || client === 'operator' ? 'bot-ssh' : `${client}-ssh`;
  if (!comm.startsWith('git') || basename(words[0] ?? '') === 'sh')
    return client === null ? 'other' : `${client}-git`;
  if (client !== null && !line.includes('receive-pack') && !line.includes('upload-pack'))
    return `${client}-git`;
  if (parent === 'pre-receive' || parent === 'post-receive' || parent === 'standby' || parent === 'hook-git')
    return 'hook-git';
  if (/\b(?:gc|repack|prune|prune-packed|pack-refs|reflog|commit-graph|multi-pack-index)\b/.test(line))
    return 'gc';
  if (parent === 'gc') return 'gc';
  if (line.includes('receive-pack')) return 'receive-pack';
  if (parent === 'receive-pack' || parent === 'index-pack') return 'index-pack';
  if (line.includes('upload-pack') || parent === 'upload-pack') return 'upload-pack';
  if (/index-pack|unpack-objects/.test(line)) return 'index-pack';
  return 'bot-git';
}

function clientOf(parent: ProcessKind | null): 'agent' | 'ask' | 'watch' | 'operator' | 'bot' | null {
  const name = parent?.replace(/-(?:git|ssh)$/, '');
  return name === 'agent' || name === 'ask' || name === 'watch' || name === 'operator' || name === 'bot'
    ? name
    : null;
}

function descendsFrom(entry: Entry, root: number, table: ReadonlyMap<number, Entry>): boolean {
  for (let at: Entry | undefined = entry, steps = 0; at !== undefined && steps < 64; steps += 1) {
    if (at.ppid === root) return true;
    at = table.get(at.ppid);
  }
  return false;
}

function names(pid: number, words: readonly string[], dir: string): boolean {
  if (words.some((word) => word.includes(dir))) return true;
  if (wordsOf(pid, 'environ').some((word) => word.includes(dir))) return true;
  try {
    return readlinkSync(`/proc/${pid}/cwd`).startsWith(dir);
  } catch {
    return false;
  }
}

function readTable(): Entry[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(readEntry)
    .filter((entry) => entry !== null);
}

/** Null for a process that has ended. */
function readEntry(pid: string): Entry | null {
  const stat = read(`/proc/${pid}/stat`);
  const open = stat.indexOf('(');
  const close = stat.lastIndexOf(')');
  if (open < 0) return null;
  // proc(5): behind the name, state is field 3, ppid 4, starttime 22.
  const fields = stat.slice(close + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return {
    pid: Number(pid),
    ppid: Number(fields[1]),
    startedAt: fields[19] ?? '',
    comm: stat.slice(open + 1, close),
  };
}

function wordsOf(pid: number, file: 'cmdline' | 'environ'): string[] {
  return read(`/proc/${pid}/${file}`)
    .split('\0')
    .filter((word) => word !== '');
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
