import { waitUntil } from '../../support/wait-until.js';
import { startAgent } from '../bench-agent.js';
import { openFloor } from '../floor.js';
import { isFetch } from '../git-trace.js';
import { followLog } from '../log-follower.js';
import { prepareBridge } from '../prepare-bridge.js';
import type { Row } from '../row-context.js';
import { summarise } from '../statistics.js';

/** Tasks that wait when the agent starts. */
const WAITING = 1000;

/** Answers a second into the log. */
const WANTED = 60;

/**
 * A backlog that eight workers drain with a model that takes no time, against pushing one answer after
 * another with bare git.
 */
export const backlogRow: Row = async ({ lab, program, options }) => {
  const rates: number[] = [];
  const pushes: number[] = [];
  for (let run = 0; run < Math.min(options.runs ?? 3, 5); run += 1) {
    const history = { answered: 100, recent: 100, pending: WAITING };
    const bridge = await prepareBridge(lab, `backlog-${run}`, history);
    const floor = await openFloor(lab, bridge);
    const log = await followLog(bridge.logPath);
    const agent = await startAgent(lab, program, bridge, ['--parallel', '8']);
    await waitUntil(async () => (await log.records()).length >= WAITING, 'the backlog is answered', 300_000);
    const startMs = (await agent.gitStarts()).find(isFetch)?.atMs ?? Number.NaN;
    const endMs = Math.max(...(await log.records()).map((record) => Date.parse(record.ingested_at)));
    rates.push(WAITING / ((endMs - startMs) / 1000));
    await agent.stop();
    for (let index = 0; index < 20; index += 1) pushes.push(1000 / (await floor.pushOne(index)));
  }
  return [
    {
      row: 'backlog',
      what: `${WAITING.toLocaleString('en')} tasks waiting, --parallel 8, instant model`,
      unit: 'answers/s',
      value: summarise(rates),
      against: `${summarise(pushes).median.toFixed(0)} bare pushes/s`,
      target: `≥ ${WANTED} answers/s`,
      reached: summarise(rates).median >= WANTED,
    },
  ];
};
