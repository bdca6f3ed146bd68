import { setTimeout as sleep } from 'node:timers/promises';
import type { LabBridge } from '../lab.js';
import type { Figure } from '../report.js';
import type { Row, RowContext } from '../row-context.js';
import { pairOrder, quantile, summarise } from '../statistics.js';

const ALLOWED = 1.2;

/**
 * What people and hooks run on the server, at a long history and at a short one, in pairs. Nothing is
 * pending but what is asked here.
 */
export const commandsRow: Row = async (context) => {
  const bridges = { a: await context.longBridge(), b: await context.shortBridge('commands') };
  return [
    await compare(context, bridges, 'status', (bridge) => ['status', '--repo', bridge.repoPath]),
    await compare(context, bridges, 'ingest', (bridge) => ['ingest', '--repo', bridge.repoPath]),
    await compare(context, bridges, 'log -n 5', (bridge) => ['log', '-n', '5', '--repo', bridge.repoPath]),
    await compare(context, bridges, 'ask --no-wait', (bridge, run) => [
      'ask',
      `What is ${run}?`,
      '--no-wait',
      '--repo',
      bridge.repoPath,
    ]),
  ];
};

async function compare(
  { lab, options }: RowContext,
  bridges: Readonly<Record<'a' | 'b', LabBridge>>,
  what: string,
  words: (bridge: LabBridge, run: number) => readonly string[],
): Promise<Figure> {
  const ms: { a: number[]; b: number[] } = { a: [], b: [] };
  for (let run = -1; run < (options.runs ?? 15); run += 1) {
    for (const one of pairOrder(Math.abs(run))) {
      const { elapsedMs } = await lab.program(words(bridges[one], run));
      if (run >= 0) ms[one].push(elapsedMs);
      await sleep(20);
    }
  }
  const ratios = ms.a.map((long, run) => long / (ms.b[run] ?? Number.NaN));
  return {
    row: 'commands',
    what: `llm-bridge ${what} on the server, at ${options.history.toLocaleString('en')} answered tasks`,
    unit: 'ms',
    value: summarise(ms.a),
    against: `${summarise(ms.b).median.toFixed(0)} ms at 100: ${quantile(ratios, 0.5).toFixed(2)} ×`,
    target: `≤ ${ALLOWED} ×`,
    reached: quantile(ratios, 0.5) <= ALLOWED,
  };
}
