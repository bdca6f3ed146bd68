import path from 'node:path';
import { askOnce } from '../ask-once.js';
import { startAgent } from '../bench-agent.js';
import { openLab, type Program } from '../lab.js';
import { followLog } from '../log-follower.js';
import { prepareBridge } from '../prepare-bridge.js';
import type { Figure } from '../report.js';
import type { RowContext } from '../row-context.js';
import { quantile, roundOrder, summarise } from '../statistics.js';

/** Questions before the first that counts: connections come up, caches fill. */
const WARM_UP = 3;

/** A built checkout with an sshd, a bridge and an agent of its own. */
interface Build {
  readonly name: string;
  /** Asks one question; answers its overhead in milliseconds. */
  ask(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * The overhead of one task with this build and with the builds in other folders. Each is asked once in every
 * round: what slows the machine for a while meets all of them, so the differences within a round are what
 * counts.
 */
export async function overheadAgainst(context: RowContext, folders: readonly string[]): Promise<Figure[]> {
  const builds = [await openBuild(context, 'this build', '.')];
  for (const folder of folders) builds.push(await openBuild(context, folder, folder));
  const rounds: number[][] = [];
  const runs = context.options.runs ?? 60;
  for (let run = 0; run < WARM_UP + runs; run += 1) {
    const round: number[] = [];
    for (const index of roundOrder(builds.length, run)) {
      round[index] = (await builds[index]?.ask()) ?? Number.NaN;
    }
    if (run >= WARM_UP) rounds.push(round);
  }
  for (const build of builds) await build.stop();
  return builds.flatMap(({ name }, index) => figuresOf(name, index, rounds));
}

async function openBuild(context: RowContext, name: string, folder: string): Promise<Build> {
  const program: Program = [context.program[0], path.resolve(folder, 'dist/cli/main.js')];
  const lab = await openLab(program, context.lab.signal);
  context.lab.defer(lab.close);
  const bridge = await prepareBridge(lab, path.basename(path.resolve(folder)), {
    answered: 100,
    recent: 100,
  });
  const agent = await startAgent(lab, program, bridge);
  const log = await followLog(bridge.logPath);
  let asked = 0;
  return {
    name,
    ask: async () => {
      asked += 1;
      return (await askOnce(lab, bridge, log, `What is ${asked} + 1?`)).overheadMs;
    },
    stop: agent.stop,
  };
}

/** What one build took; of all but the first also how much more than the first in the same round. */
function figuresOf(name: string, index: number, rounds: readonly (readonly number[])[]): Figure[] {
  const first = rounds.map((round) => round[0] ?? Number.NaN);
  const its = rounds.map((round) => round[index] ?? Number.NaN);
  const figure = (what: string, unit: Figure['unit'], values: readonly number[]): Figure => ({
    row: 'overhead',
    what,
    unit,
    value: summarise(values),
  });
  const took = figure(`overhead of one task, ${name}`, 'ms', its);
  if (index === 0) return [took];
  const more = its.map((ms, run) => ms - (first[run] ?? Number.NaN));
  const ratios = its.map((ms, run) => ms / (first[run] ?? Number.NaN));
  const half = `half of them between ${quantile(more, 0.25).toFixed(0)} and ${quantile(more, 0.75).toFixed(0)} ms`;
  return [
    took,
    { ...figure('… more than this build, in rounds', 'ms', more), against: half },
    figure('… to that of this build, in rounds', '×', ratios),
  ];
}
