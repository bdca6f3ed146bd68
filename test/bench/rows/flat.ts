import { askOnce } from '../ask-once.js';
import { startAgent } from '../bench-agent.js';
import { followLog } from '../log-follower.js';
import type { Row } from '../row-context.js';
import { pairOrder, quantile, summarise } from '../statistics.js';

/** How much more the same may cost at a long history. */
const ALLOWED = 1.2;

/** One task at a long history against one at a short one, each with an agent of its own. */
export const flatRow: Row = async ({ lab, program, options, shortBridge, longBridge }) => {
  const bridges = { a: await longBridge(), b: await shortBridge('flat') };
  const logs = { a: await followLog(bridges.a.logPath), b: await followLog(bridges.b.logPath) };
  const agents = [await startAgent(lab, program, bridges.a), await startAgent(lab, program, bridges.b)];
  const ms: { a: number[]; b: number[] } = { a: [], b: [] };
  const runs = options.runs ?? 40;
  for (let run = -3; run < runs; run += 1) {
    for (const one of pairOrder(Math.abs(run))) {
      const { overheadMs } = await askOnce(lab, bridges[one], logs[one], `What is ${run + 10} * 2?`);
      if (run >= 0) ms[one].push(overheadMs);
    }
  }
  for (const agent of agents) await agent.stop();
  const ratios = ms.a.map((long, run) => long / (ms.b[run] ?? Number.NaN));
  const ratio = quantile(ratios, 0.5);
  return [
    {
      row: 'flat',
      what: `the same at ${options.history.toLocaleString('en')} answered tasks of history`,
      unit: 'ms',
      value: summarise(ms.a),
      against: `${summarise(ms.b).median.toFixed(0)} ms at 100`,
    },
    {
      row: 'flat',
      what: '… as a ratio, in pairs',
      unit: '×',
      value: summarise(ratios),
      target: `≤ ${ALLOWED} ×`,
      reached: ratio <= ALLOWED,
    },
  ];
};
