import { spawn } from 'node:child_process';
import { stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopProcessTree } from '../../../src/process/stop-process-tree.js';
import { MAIN_REF } from '../../../src/protocol/names.js';
import { waitUntil } from '../../support/wait-until.js';
import { askOnce } from '../ask-once.js';
import { startAgent } from '../bench-agent.js';
import { type Lab, sshCommand, sshUrlOf } from '../lab.js';
import { followLog } from '../log-follower.js';
import type { Row } from '../row-context.js';
import { pairOrder, summarise } from '../statistics.js';

/** How many times less the bridge is to add. */
const WANTED = 10;

/**
 * What a user would write in place of the bridge: a work tree, plain ssh as git starts it, two seconds of
 * sleep. And one line for us, which takes no process: a file is touched where the sleep begins.
 */
const LOOP = `set -u
cd "$1"
while :; do
  git pull --quiet --rebase
  if [ "$(git log -1 --format=%H -- task.txt)" != "$(cat .answered 2>/dev/null)" ]; then
    git log -1 --format=%H -- task.txt >.answered
    curl --silent --show-error "$2/api/chat" --data "{\\"model\\":\\"llama3.2\\",\\"stream\\":false,\\"messages\\":[{\\"role\\":\\"user\\",\\"content\\":\\"$(cat task.txt)\\"}]}" >inbox.json
    git add inbox.json
    git commit --quiet -m "answer $(cat .answered)"
    git push --quiet
  fi
  : >"$3"
  sleep 2
done
`;

/** Multiples of it, without their whole parts, lie evenly between 0 and 1, however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** The bridge and such a loop, each asked in turn. */
export const shellLoopRow: Row = async ({ lab, program, options, shortBridge }) => {
  const bridge = await shortBridge('shell-loop');
  const agent = await startAgent(lab, program, bridge);
  const log = await followLog(bridge.logPath);
  const loop = await startLoop(lab);
  const ms: { a: number[]; b: number[] } = { a: [], b: [] };
  const runs = options.runs ?? 30;
  for (let run = -1; run < runs; run += 1) {
    for (const one of pairOrder(Math.abs(run))) {
      const question = `What is ${run + 10} + 5?`;
      // Its two seconds of sleep are most of what the loop takes, so which moment of them is asked at must
      // not be a matter of luck.
      const taken =
        one === 'a'
          ? (await askOnce(lab, bridge, log, question)).overheadMs
          : await loop.ask(question, (Math.abs(run) * GOLDEN) % 1);
      if (run >= 0) ms[one].push(taken);
    }
  }
  await loop.stop();
  await agent.stop();
  const ratios = ms.b.map((theirs, run) => theirs / (ms.a[run] ?? Number.NaN));
  return [
    {
      row: 'shell-loop',
      what: 'a loop in shell (git pull, curl, commit, git push, sleep 2)',
      unit: 'ms',
      value: summarise(ms.b),
      against: `${summarise(ms.a).median.toFixed(0)} ms of the bridge`,
    },
    {
      row: 'shell-loop',
      what: '… as a multiple of the bridge, in pairs',
      unit: '×',
      value: summarise(ratios),
      target: `≥ ${WANTED} ×`,
      reached: summarise(ratios).median >= WANTED,
    },
  ];
};

interface Loop {
  /**
   * Asks at a moment of the loop's turn, from 0 to 1, counted from the beginning of its sleep; but for the
   * same small time each run, in which the commit is made. Answers how long it took from the asking to the
   * answer on main; milliseconds.
   */
  ask(question: string, phase: number): Promise<number>;
  stop(): Promise<void>;
}

/** The loop on a plain bare repository. */
async function startLoop(lab: Lab): Promise<Loop> {
  const bare = path.join(lab.dir, 'loop.git');
  const bot = path.join(lab.dir, 'loop-bot');
  const pc = path.join(lab.dir, 'loop-pc');
  const identity = ['GIT_AUTHOR_NAME', 'GIT_COMMITTER_NAME', 'GIT_AUTHOR_EMAIL', 'GIT_COMMITTER_EMAIL'];
  const env = {
    ...lab.env,
    ...Object.fromEntries(identity.map((name) => [name, 'somebody'])),
    GIT_SSH_COMMAND: sshCommand(lab, lab.plainKey),
  };
  const git = (args: readonly string[]) =>
    lab.git(path.join(bot, '.git'), ['--work-tree', bot, ...args], { env });
  await lab.git(lab.dir, ['init', '--quiet', '--bare', '--initial-branch=main', bare]);
  await lab.git(lab.dir, ['clone', '--quiet', bare, bot], { env });
  const ask = async (question: string) => {
    await git(['pull', '--quiet', '--rebase']).catch(() => '');
    await writeFile(path.join(bot, 'task.txt'), question);
    await git(['add', 'task.txt']);
    await git(['commit', '--quiet', '-m', 'ask']);
    const startedAt = performance.now();
    await git(['push', '--quiet', 'origin', 'HEAD:main']);
    return { startedAt, task: await git(['rev-parse', 'HEAD']) };
  };
  await ask('What is 1 + 1?');
  await lab.git(lab.dir, ['clone', '--quiet', sshUrlOf(lab, bare), pc], { env });
  const mark = path.join(lab.dir, 'loop-sleeps');
  const child = spawn('sh', ['-c', LOOP, 'loop', pc, lab.standIn.ollamaUrl, mark], { env, stdio: 'ignore' });
  const stop = () => stopProcessTree(child);
  lab.defer(stop);
  const markedAt = async () => (await stat(mark).catch(() => null))?.mtimeMs ?? 0;
  /** When the next sleep begins; milliseconds since the epoch. */
  const nextSleep = async () => {
    const before = await markedAt();
    return waitUntil(async () => ((await markedAt()) === before ? null : markedAt()), 'a turn of the loop');
  };
  await nextSleep();
  const turnMs = -(await nextSleep()) + (await nextSleep());
  return {
    async ask(question, phase) {
      const sleepsAt = await nextSleep();
      await sleep(Math.max(0, sleepsAt + phase * turnMs - Date.now()));
      const { startedAt, task } = await ask(`${question} ${Date.now()}`);
      await waitUntil(
        async () => (await lab.git(bare, ['log', '-1', '--format=%s', MAIN_REF])) === `answer ${task}`,
        'the loop answers',
        60_000,
      );
      return performance.now() - startedAt;
    },
    stop,
  };
}
