import { readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { listProcesses } from '../../../src/process/process-table.js';
import { askOnce } from '../ask-once.js';
import { startAgent } from '../bench-agent.js';
import { isFetch, isLook } from '../git-trace.js';
import { followLog } from '../log-follower.js';
import type { Row } from '../row-context.js';

const MAX_CPU_S = 0.3;
const MAX_AGENT_MB = 100;
const MAX_SERVER_MB = 3;

/** Linux counts processor time in these; it is 100 a second everywhere since 2.6. */
const TICKS_PER_SECOND = 100;

/**
 * An agent with nothing to do: its processor time and memory, and what of the server's is busy with it beside
 * sshd itself.
 */
export const idleRow: Row = async ({ lab, program, options, shortBridge }) => {
  const bridge = await shortBridge('idle');
  const agent = await startAgent(lab, program, bridge);
  await askOnce(lab, bridge, await followLog(bridge.logPath), 'What is 1 + 1?');
  // What the last push left to do is not idleness.
  await sleep(3000);
  const before = await usageOf(await treeOf(agent.pid));
  const startMs = Date.now();
  await sleep(options.seconds * 1000);
  const after = await usageOf(await treeOf(agent.pid));
  const endMs = Date.now();
  const starts = (await agent.gitStarts()).filter(({ atMs }) => atMs >= startMs && atMs <= endMs);
  const fetches = starts.filter(isFetch);
  const server = await usageOf(await withoutSshd(await treeOf(lab.sshd.pid)));
  await agent.stop();
  // Of those that are there at the end: what has ended meanwhile is in its parent's time, with all of its
  // life.
  const cpu = [...after.cpuSeconds].reduce(
    (sum, [pid, seconds]) => sum + seconds - (before.cpuSeconds.get(pid) ?? 0),
    0,
  );
  const one = (value: number) => ({ count: 1, median: value, p95: value });
  const seconds = `idle for ${options.seconds} s`;
  return [
    {
      row: 'idle',
      what: `${seconds}: the agent's processor time`,
      unit: 's',
      value: one(cpu),
      target: `≤ ${MAX_CPU_S} s`,
      reached: cpu <= MAX_CPU_S,
    },
    {
      row: 'idle',
      what: `${seconds}: the agent's memory, with its ssh and git`,
      unit: 'MB',
      value: one(after.megabytes),
      against: after.names,
      target: `≤ ${MAX_AGENT_MB} MB`,
      reached: after.megabytes <= MAX_AGENT_MB,
    },
    {
      row: 'idle',
      what: `${seconds}: the server's memory beyond sshd's own`,
      unit: 'MB',
      value: one(server.megabytes),
      against: server.names,
      target: `≤ ${MAX_SERVER_MB} MB`,
      reached: server.megabytes <= MAX_SERVER_MB,
    },
    {
      row: 'idle',
      what: `${seconds}: fetches`,
      unit: 'fetches',
      value: one(fetches.length),
      against: `${starts.filter(isLook).length} ls-remote`,
      target: 'none',
      reached: fetches.length === 0,
    },
  ];
};

async function treeOf(root: number): Promise<number[]> {
  const table = await listProcesses();
  const found = [root];
  for (let at = 0; at < found.length; at += 1) {
    found.push(...table.filter((entry) => entry.ppid === found[at]).map((entry) => entry.pid));
  }
  return found;
}

async function withoutSshd(pids: readonly number[]): Promise<number[]> {
  const kept: number[] = [];
  for (const pid of pids) if (!(await nameOf(pid)).startsWith('sshd')) kept.push(pid);
  return kept;
}

async function nameOf(pid: number): Promise<string> {
  const file = await readlink(`/proc/${pid}/exe`).catch(() => '');
  return file.split('/').at(-1) ?? '';
}

/** Processor time, that of ended children included, and resident memory, shared pages counted in full. */
async function usageOf(
  pids: readonly number[],
): Promise<{ cpuSeconds: ReadonlyMap<number, number>; megabytes: number; names: string }> {
  const cpuSeconds = new Map<number, number>();
  let kilobytes = 0;
  const names: string[] = [];
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
    const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
    // proc(5): utime, stime, cutime and cstime are fields 14 to 17; the second may hold spaces.
    const times = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 15);
    cpuSeconds.set(pid, times.reduce((sum, field) => sum + Number(field), 0) / TICKS_PER_SECOND);
    const rss = Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(status)?.[1] ?? 0);
    kilobytes += rss;
    names.push(`${await nameOf(pid)} ${(rss / 1000).toFixed(1)}`);
  }
  return { cpuSeconds, megabytes: kilobytes / 1000, names: names.join(', ') };
}
