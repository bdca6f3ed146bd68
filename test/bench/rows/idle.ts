import { setTimeout as sleep } from 'node:timers/promises';
import { askOnce } from '../ask-once.js';
import { startAgent } from '../bench-agent.js';
import { isFetch, isLook } from '../git-trace.js';
import { followLog } from '../log-follower.js';
import { treeOf, usageOf, withoutSshd } from '../process-usage.js';
import type { Row } from '../row-context.js';

const MAX_CPU_S = 0.3;
const MAX_AGENT_MB = 100;
const MAX_SERVER_MB = 3;

/**
 * An agent with nothing to do: its processor time and memory, and what of the server's is busy with it
 * beside sshd itself.
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
