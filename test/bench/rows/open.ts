import { MAIN_REF } from '../../../src/protocol/names.js';
import { waitUntil } from '../../support/wait-until.js';
import { startAgent } from '../bench-agent.js';
import type { LabBridge } from '../lab.js';
import { followLog } from '../log-follower.js';
import { prepareBridge } from '../prepare-bridge.js';
import { openAnswerPush, type PushAnswer } from '../push-answer.js';
import type { Figure } from '../report.js';
import type { Row, RowContext } from '../row-context.js';
import { pairOrder, quantile, summarise } from '../statistics.js';

/** So many tasks are open on the two bridges. */
const MANY = 50_000;
const FEW = 1_000;

/**
 * Answers before the clock starts, and while it runs. Up to a hundred go in one push, so that with fewer the
 * rate would be a matter of where a push ends.
 */
const FIRST = 100;
const TIMED = 400;

/** How much more an old answer may cost among many, and how much of the rate is to be left. */
const ALLOWED_COST = 1.25;
const WANTED_RATE = 0.8;
/** Commands that count what is open read more of it; a person does not notice that much. */
const ALLOWED_COMMAND = 1.25;

type Pair<T> = Readonly<Record<'a' | 'b', T>>;

/** What is done with fifty thousand open tasks, as a batch leaves them, against the same with a thousand. */
export const openRow: Row = async (context) => {
  const { lab, options } = context;
  const make = (name: string, pending: number) =>
    prepareBridge(lab, name, { answered: 100, recent: 100, pending });
  const bridges = { a: await make('open-many', MANY), b: await make('open-few', FEW) };
  const runs = options.runs ?? 3;
  const figures: Figure[] = [];
  for (const part of [
    () => oldAnswers(context, bridges, runs * 5),
    () => commands(context, bridges, runs * 3, ['status']),
    () => commands(context, bridges, runs * 3, ['list']),
    () => commands(context, bridges, runs * 3, ['list', '--state', 'done']),
    () => commands(context, bridges, runs * 3, ['status'], 'over ssh'),
    () => commands(context, bridges, runs * 3, ['list'], 'over ssh'),
    () => commands(context, bridges, runs * 3, ['list', '--state', 'done'], 'over ssh'),
    () => drains(context, bridges.a, make, runs),
  ]) {
    const measured = await part();
    for (const { what, value, against } of measured)
      lab.say(`${what}: ${value.median.toFixed(2)}${against === undefined ? '' : ` (${against})`}`);
    figures.push(...measured);
  }
  return figures;
};

async function oldAnswers({ lab }: RowContext, bridges: Pair<LabBridge>, runs: number): Promise<Figure[]> {
  const pushes: Pair<PushAnswer> = {
    a: await openAnswerPush(lab, bridges.a),
    b: await openAnswerPush(lab, bridges.b),
  };
  const oldest: Pair<readonly string[]> = {
    a: await oldestOpen(bridges.a, MANY),
    b: await oldestOpen(bridges.b, FEW),
  };
  const ms: Pair<number[]> = { a: [], b: [] };
  for (let run = 0; run < runs; run += 1)
    for (const one of pairOrder(run)) ms[one].push(await pushes[one](oldest[one][run] ?? ''));
  const ratios = ms.a.map((many, run) => many / (ms.b[run] ?? Number.NaN));
  const median = quantile(ratios, 0.5);
  return [
    {
      row: 'open',
      what: `the answer to the oldest of ${MANY.toLocaleString('en')} open tasks, pushed`,
      unit: 'ms',
      value: summarise(ms.a),
      against: `${summarise(ms.b).median.toFixed(0)} ms at ${FEW.toLocaleString('en')}; the first one ${ms.a[0]?.toFixed(0)}`,
    },
    {
      row: 'open',
      what: '… as a ratio, in pairs',
      unit: '×',
      value: summarise(ratios),
      target: `≤ ${ALLOWED_COST} ×`,
      reached: median <= ALLOWED_COST,
    },
  ];

  async function oldestOpen({ repoPath }: LabBridge, pending: number): Promise<readonly string[]> {
    const ids = await lab.git(repoPath, ['rev-list', `--max-count=${pending}`, MAIN_REF]);
    return ids.split('\n').reverse().slice(0, runs);
  }
}

async function drains(
  { lab, program }: RowContext,
  many: LabBridge,
  make: (name: string, pending: number) => Promise<LabBridge>,
  runs: number,
) {
  const rates: Pair<number[]> = { a: [], b: [] };
  const startsMs: Pair<number[]> = { a: [], b: [] };
  for (let run = 0; run < runs; run += 1) {
    // A fresh one each time: a drain leaves too few of a thousand open for the next.
    const bridges: Pair<LabBridge> = { a: many, b: await make(`open-few-${run}`, FEW) };
    for (const one of pairOrder(run)) {
      const bridge = bridges[one];
      const log = await followLog(bridge.logPath);
      const startedMs = Date.now();
      const agent = await startAgent(lab, program, bridge, ['--parallel', '8']);
      const times = await waitUntil(
        async () => {
          // The last answers of the agent before may come into the log only now.
          const own = (await log.records()).filter(({ created_at }) => Date.parse(created_at) >= startedMs);
          return own.length >= FIRST + TIMED && own.map(({ ingested_at }) => Date.parse(ingested_at));
        },
        `${FIRST + TIMED} answers`,
        120_000,
      );
      const [from = Number.NaN, to = Number.NaN] = [times[FIRST - 1], times[FIRST + TIMED - 1]];
      rates[one].push(TIMED / ((to - from) / 1000));
      startsMs[one].push((times[0] ?? Number.NaN) - startedMs);
      await agent.stop();
    }
  }
  const ratios = rates.a.map((many, run) => many / (rates.b[run] ?? Number.NaN));
  return [
    {
      row: 'open',
      what: `an agent started among ${MANY.toLocaleString('en')} open tasks, until its first answer is logged`,
      unit: 'ms',
      value: summarise(startsMs.a),
      against: `${summarise(startsMs.b).median.toFixed(0)} ms at ${FEW.toLocaleString('en')}`,
    },
    {
      row: 'open',
      what: `answers while ${MANY.toLocaleString('en')} tasks are open, --parallel 8, instant model`,
      unit: 'answers/s',
      value: summarise(rates.a),
      against: `${summarise(rates.b).median.toFixed(1)} answers/s at ${FEW.toLocaleString('en')}`,
    },
    {
      row: 'open',
      what: '… as a ratio, in pairs',
      unit: '×',
      value: summarise(ratios),
      target: `≥ ${WANTED_RATE} ×`,
      reached: quantile(ratios, 0.5) >= WANTED_RATE,
    },
  ] satisfies Figure[];
}

async function commands(
  { lab }: RowContext,
  bridges: Pair<LabBridge>,
  runs: number,
  words: readonly string[],
  from: 'on the server' | 'over ssh' = 'on the server',
): Promise<Figure[]> {
  const ms: Pair<number[]> = { a: [], b: [] };
  for (let run = -1; run < runs; run += 1) {
    for (const one of pairOrder(Math.abs(run))) {
      const { repoPath, sshUrl, agentEnv } = bridges[one];
      const { elapsedMs } = await (from === 'over ssh'
        ? lab.program([...words, '--repo', sshUrl], { env: agentEnv })
        : lab.program([...words, '--repo', repoPath]));
      if (run >= 0) ms[one].push(elapsedMs);
    }
  }
  const ratios = ms.a.map((many, run) => many / (ms.b[run] ?? Number.NaN));
  const figure: Figure = {
    row: 'open',
    what: `llm-bridge ${words.join(' ')} ${from} with ${MANY.toLocaleString('en')} open tasks`,
    unit: 'ms',
    value: summarise(ms.a),
    against: `${summarise(ms.b).median.toFixed(0)} ms at ${FEW.toLocaleString('en')}: ${quantile(ratios, 0.5).toFixed(2)} ×`,
    target: `≤ ${ALLOWED_COMMAND} ×`,
    reached: quantile(ratios, 0.5) <= ALLOWED_COMMAND,
  };
  return [figure];
}
