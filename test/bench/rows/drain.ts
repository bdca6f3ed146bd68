import { setTimeout as sleep } from 'node:timers/promises';
import { REST_AFTER_MS } from '../../../src/agent/rest-watch.js';
import { waitUntil } from '../../support/wait-until.js';
import { startAgent } from '../bench-agent.js';
import { openFloor } from '../floor.js';
import { followLog } from '../log-follower.js';
import { prepareBridge } from '../prepare-bridge.js';
import { treeOf, usageOf } from '../process-usage.js';
import type { Row } from '../row-context.js';
import { summarise } from '../statistics.js';

/** Tasks that wait when the agent starts. */
const WAITING = 400;

/** Answers into the log for each bare push in the same time. */
const WANTED_RATIO = 1.2;
const MAX_AGENT_MB = 100;

/** An agent that rests has tidied up by then. */
const SETTLED_MS = 5_000;
const AFTER_S = (REST_AFTER_MS + SETTLED_MS) / 1000;

/** Bare pushes before and behind each drain, so that whatever slows the machine meets both. */
const PUSHES = 10;

/**
 * A smaller backlog with the agent's start in its time, against bare pushes of the same minutes; and what
 * the agent holds when it has been idle for a while behind it.
 */
export const drainRow: Row = async ({ lab, program, options }) => {
  const rates: number[] = [];
  const pushes: number[] = [];
  const ratios: number[] = [];
  const memory: number[] = [];
  const atEnd: number[] = [];
  let names = '';
  for (let run = 0; run < Math.min(options.runs ?? 3, 10); run += 1) {
    const bridge = await prepareBridge(lab, `drain-${run}`, { answered: 100, recent: 100, pending: WAITING });
    const floor = await openFloor(lab, bridge);
    const beside: number[] = [];
    const pushSome = async () => {
      for (let index = 0; index < PUSHES; index += 1) {
        beside.push(1000 / (await floor.pushOne(beside.length)));
      }
    };
    const log = await followLog(bridge.logPath);
    await pushSome();
    const startMs = Date.now();
    const agent = await startAgent(lab, program, bridge, ['--parallel', '8']);
    await waitUntil(async () => (await log.records()).length >= WAITING, 'the backlog is answered', 300_000);
    const endMs = Math.max(...(await log.records()).map((record) => Date.parse(record.ingested_at)));
    const used = await usageOf(await treeOf(agent.pid));
    await pushSome();
    const rate = WAITING / ((endMs - startMs) / 1000);
    rates.push(rate);
    pushes.push(...beside);
    ratios.push(rate / summarise(beside).median);
    await sleep(REST_AFTER_MS + SETTLED_MS);
    const settled = await usageOf(await treeOf(agent.pid));
    atEnd.push(used.megabytes);
    memory.push(settled.megabytes);
    names = settled.names;
    await agent.stop();
  }
  return [
    {
      row: 'drain',
      what: `${WAITING} tasks waiting, --parallel 8, the agent's start included`,
      unit: 'answers/s',
      value: summarise(rates),
      against: `${summarise(pushes).median.toFixed(0)} bare pushes/s`,
    },
    {
      row: 'drain',
      what: '… as a multiple of bare pushes, in pairs',
      unit: '×',
      value: summarise(ratios),
      target: `≥ ${WANTED_RATIO} ×`,
      reached: summarise(ratios).median >= WANTED_RATIO,
    },
    {
      row: 'drain',
      what: `${AFTER_S} s after them: the agent's memory, with its ssh and git`,
      unit: 'MB',
      value: summarise(memory),
      against: `${names}; ${summarise(atEnd).median.toFixed(0)} MB at their end`,
      target: `≤ ${MAX_AGENT_MB} MB`,
      reached: summarise(memory).median <= MAX_AGENT_MB,
    },
  ];
};
