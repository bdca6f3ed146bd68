import { type Asked, askOnce } from '../ask-once.js';
import { startAgent } from '../bench-agent.js';
import { type FloorTimes, openFloor } from '../floor.js';
import { followLog } from '../log-follower.js';
import type { Row } from '../row-context.js';
import { pairOrder, summarise } from '../statistics.js';
import { overheadAgainst } from './overhead-against.js';

/** The bridge may add so much to bare git and two starts of Node. Milliseconds. */
const ALLOWED_MS = 60;

/** Questions before the first that counts: connections come up, caches fill. */
const WARM_UP = 3;

/** One task on an idle bridge over ssh, against what git alone takes to carry the same two commits. */
export const overheadRow: Row = async (context) => {
  const { lab, program, options, shortBridge } = context;
  if (options.against.length > 0) return overheadAgainst(context, options.against);
  const bridge = await shortBridge('overhead');
  const floor = await openFloor(lab, bridge);
  const agent = await startAgent(lab, program, bridge);
  const log = await followLog(bridge.logPath);
  const asked: Asked[] = [];
  const ask = async () => asked.push(await askOnce(lab, bridge, log, `What is ${asked.length} + 1?`));
  // The floor follows the bridge by one or two exchanges, because it carries what the bridge made.
  let replayed = 0;
  const replay = async (): Promise<FloorTimes> => {
    const next = asked[replayed];
    if (next === undefined) throw new Error('nothing to replay');
    replayed += 1;
    return floor.replay({ task: next.task, answer: next.record.commit });
  };
  for (let run = 0; run < WARM_UP; run += 1) await ask();
  for (let run = 1; run < WARM_UP; run += 1) await replay();

  const bridgeMs: number[] = [];
  const floors: FloorTimes[] = [];
  const runs = options.runs ?? 60;
  for (let run = 0; run < runs; run += 1) {
    for (const one of pairOrder(run)) {
      if (one === 'a') {
        await ask();
        bridgeMs.push(asked.at(-1)?.overheadMs ?? Number.NaN);
      } else floors.push(await replay());
    }
  }
  await agent.stop();
  const floorMs = floors.map(({ fetchMs, pushMs, nodeMs }) => fetchMs + pushMs + nodeMs);
  const more = bridgeMs.map((ms, run) => ms - (floorMs[run] ?? Number.NaN));
  const parts = summariseParts(floors);
  return [
    {
      row: 'overhead',
      what: 'overhead of one task, idle bridge, over SSH',
      unit: 'ms',
      value: summarise(bridgeMs),
      against: `${summarise(floorMs).median.toFixed(0)} ms: ${parts}`,
    },
    {
      row: 'overhead',
      what: '… beyond that sum, in pairs',
      unit: 'ms',
      value: summarise(more),
      target: `≤ ${ALLOWED_MS} ms`,
      reached: summarise(more).median <= ALLOWED_MS,
    },
  ];
};

function summariseParts(floors: readonly FloorTimes[]): string {
  const part = (of: (times: FloorTimes) => number) => summarise(floors.map(of)).median.toFixed(0);
  return `git fetch ${part((times) => times.fetchMs)} + git push ${part((times) => times.pushMs)} + two node -e 0 ${part((times) => times.nodeMs)}`;
}
