import { readdir, readFile, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../support/wait-until.js';
import { askOnce } from '../ask-once.js';
import { startAgent } from '../bench-agent.js';
import { readGitStarts } from '../git-trace.js';
import type { Lab, LabBridge } from '../lab.js';
import { followLog } from '../log-follower.js';
import { prepareBridge } from '../prepare-bridge.js';
import type { Figure } from '../report.js';
import type { Row } from '../row-context.js';
import { runProgram } from '../run-program.js';
import { summarise } from '../statistics.js';
import { taskText } from '../texts.js';

const EXCHANGES = 10_000;
const MAX_RATIO = 1.2;
const MAX_CLONE_S = 2;
const MAX_CLONE_MB = 3;

/** How much room an archive takes, and what a new agent fetches of a long one. */
export const diskRow: Row = async (context) => [await sizeOfArchive(context), ...(await freshClone(context))];

/**
 * Tasks and answers of 1 KB each, every object loose as pushes leave them; then one more exchange, whose
 * push starts the upkeep, and that is waited for.
 */
const sizeOfArchive = async ({ lab, program }: Parameters<Row>[0]): Promise<Figure> => {
  const bridge = await prepareBridge(lab, 'disk', {
    answered: EXCHANGES,
    recent: EXCHANGES,
    questionOf: (index) => taskText(index, 1024),
    answerOf: (index) => taskText(-1 - index, 1024),
  });
  await unpackAll(lab, bridge);
  const before = await sizeOf(lab, bridge.repoPath);
  const agent = await startAgent(lab, program, bridge);
  await askOnce(lab, bridge, await followLog(bridge.logPath), 'What is 1 + 1?');
  await agent.stop();
  await waitUntil(() => isTidied(bridge), 'the upkeep is done', 600_000);
  const bytes = await sizeOf(lab, bridge.repoPath);
  const ratio = bytes / bridge.messageBytes;
  lab.say(`disk: ${before} bytes loose, ${bytes} after the upkeep, ${bridge.messageBytes} of messages`);
  return {
    row: 'disk',
    what: `${EXCHANGES.toLocaleString('en')} tasks and answers of 1 KB each, in the bare repository without its log`,
    unit: '×',
    value: { count: 1, median: ratio, p95: ratio },
    against: `${(bridge.messageBytes / 1e6).toFixed(1)} MB of messages`,
    target: `≤ ${MAX_RATIO} ×`,
    reached: ratio <= MAX_RATIO,
  };
};

/** Explodes the packs into loose objects. */
async function unpackAll(lab: Lab, { repoPath }: LabBridge): Promise<void> {
  const folder = path.join(repoPath, 'objects', 'pack');
  for (const name of await readdir(folder)) await rename(path.join(folder, name), path.join(lab.dir, name));
  const script =
    'for pack in "$2"/pack-*.pack; do git --git-dir="$1" -c core.fsync=none unpack-objects -q <"$pack" || exit; done';
  await runProgram('sh', ['-c', script, 'unpack', repoPath, lab.dir], { env: lab.env, signal: lab.signal });
}

/** No loose object is left but a handful, and nobody is at it. */
async function isTidied({ repoPath }: LabBridge): Promise<boolean> {
  const objects = await readdir(path.join(repoPath, 'objects'));
  const isBusy = (await stat(path.join(repoPath, 'gc.pid')).catch(() => null)) !== null;
  if (isBusy) return false;
  let loose = 0;
  for (const name of objects.filter((one) => /^[0-9a-f]{2}$/.test(one))) {
    loose += (await readdir(path.join(repoPath, 'objects', name))).length;
  }
  await sleep(200);
  return loose < 1000;
}

/** All files of a repository but the log; their bytes. */
async function sizeOf(lab: Lab, folder: string): Promise<number> {
  const find = ['-c', 'find "$1" -type f ! -name "answers.log*" -printf "%s\\n"', 'find', folder];
  const { stdout } = await runProgram('sh', find, { env: lab.env });
  return stdout.split('\n').reduce((sum, line) => sum + Number(line), 0);
}

async function freshClone({ lab, options, longBridge }: Parameters<Row>[0]): Promise<Figure[]> {
  const bridge = await longBridge();
  const seconds: number[] = [];
  const megabytes: number[] = [];
  for (let run = 0; run < Math.min(options.runs ?? 10, 10); run += 1) {
    const stateDir = path.join(lab.dir, `fresh-${run}`);
    const trace = path.join(lab.dir, `fresh-${run}.trace`);
    const words = [
      'agent',
      '--once',
      '--repo',
      bridge.sshUrl,
      '--state-dir',
      stateDir,
      '--ollama-url',
      lab.standIn.ollamaUrl,
    ];
    await lab.program(words, { env: { ...bridge.agentEnv, GIT_TRACE2_EVENT: trace } });
    const init = (await readGitStarts(trace)).find((start) => start.words.includes('init'));
    seconds.push(((await lastFetchEnd(trace)) - (init?.atMs ?? Number.NaN)) / 1000);
    megabytes.push((await sizeOf(lab, stateDir)) / 1e6);
  }
  const what = `a fresh agent's clone of ${options.history.toLocaleString('en')} tasks, 100 inside the time-to-live`;
  const [time, size] = [summarise(seconds), summarise(megabytes)];
  return [
    {
      row: 'disk',
      what,
      unit: 's',
      value: time,
      target: `≤ ${MAX_CLONE_S} s`,
      reached: time.median <= MAX_CLONE_S,
    },
    {
      row: 'disk',
      what: '… its size',
      unit: 'MB',
      value: size,
      target: `≤ ${MAX_CLONE_MB} MB`,
      reached: size.median <= MAX_CLONE_MB,
    },
  ];
}

/** When the first fetch of a trace was over; milliseconds since the epoch. */
async function lastFetchEnd(trace: string): Promise<number> {
  const lines = (await readFile(trace, 'utf8')).split('\n');
  const start = lines.find((line) => line.includes('"event":"start"') && line.includes('"fetch"'));
  const sid = /"sid":"([^"]+)"/.exec(start ?? '')?.[1] ?? 'none';
  const exit = lines.find((line) => line.includes('"event":"exit"') && line.includes(`"sid":"${sid}"`));
  return Date.parse(/"time":"([^"]+)"/.exec(exit ?? '')?.[1] ?? '');
}
