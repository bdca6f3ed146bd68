import { setTimeout as sleep } from 'node:timers/promises';
import { writeBlob, writeFileCommit } from '../../../src/git/commit-file.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { askMessage } from '../../../src/protocol/commit-message.js';
import { MAIN_REF } from '../../../src/protocol/names.js';
import { taskHash } from '../../../src/protocol/task.js';
import { waitUntil } from '../../support/wait-until.js';
import { startAgent } from '../bench-agent.js';
import { openConnection } from '../floor.js';
import { isFetch, isTakenAhead } from '../git-trace.js';
import { type Lab, type LabBridge, sshCommand } from '../lab.js';
import { followLog } from '../log-follower.js';
import type { Row } from '../row-context.js';
import { startPoll } from '../start-poll.js';
import { summarise } from '../statistics.js';

/** From the task on main to git fetch on the PC. Milliseconds. */
const ALLOWED_MS = 20;

/**
 * How long after the asking the agent begins to fetch; beside it two loops that poll, of the same questions.
 */
export const doorbellRow: Row = async ({ lab, program, options, shortBridge }) => {
  const bridge = await shortBridge('doorbell');
  const agent = await startAgent(lab, program, bridge);
  const log = await followLog(bridge.logPath);
  const env = {
    ...lab.env,
    GIT_SSH_COMMAND: sshCommand(lab, lab.plainKey, await openConnection(lab, 'poll')),
  };
  const polls = [await startPoll(lab, bridge, 1, env), await startPoll(lab, bridge, 5, env)];
  const waits: number[][] = [[], [], []];
  const runs = options.runs ?? 20;
  for (let run = -2; run < runs; run += 1) {
    const { task, atMs } = await putTask(lab, bridge, run);
    await log.recordOf(task);
    const after = async (starts: () => Promise<readonly number[]>) =>
      waitUntil(async () => (await starts()).find((ms) => ms >= atMs), 'a fetch after the asking');
    const begun = [
      await after(async () =>
        (await agent.gitStarts()).filter((one) => isFetch(one) || isTakenAhead(one)).map(({ atMs }) => atMs),
      ),
      ...(await Promise.all(polls.map((poll) => after(poll.starts)))),
    ];
    if (run >= 0) for (const [index, ms] of begun.entries()) waits[index]?.push(ms - atMs);
    // Or every question would fall into the same phase of the polls.
    await sleep(Math.random() * 1000);
  }
  for (const poll of polls) await poll.stop();
  await agent.stop();
  const [notifier = [], second = [], five = []] = waits;
  return [
    {
      row: 'doorbell',
      what: 'asked → the agent begins to fetch',
      unit: 'ms',
      value: summarise(notifier),
      against: `${summarise(second).median.toFixed(0)} ms polling every 1 s, ${summarise(five).median.toFixed(0)} ms every 5 s`,
      target: `≤ ${ALLOWED_MS} ms`,
      reached: summarise(notifier).median <= ALLOWED_MS,
    },
  ];
};

/** Builds a task's commit, then moves main to it, which is the moment that counts. */
async function putTask(lab: Lab, bridge: LabBridge, run: number): Promise<{ task: string; atMs: number }> {
  const repo = { gitDir: bridge.repoPath, env: lab.env };
  const reader = openObjectReader(repo);
  const parent = await lab.git(bridge.repoPath, ['rev-parse', MAIN_REF]);
  const question = `What is ${run + 10} - 1? ${Date.now()}`;
  const bytes = Buffer.from(question);
  const message = askMessage({ hash: taskHash(bytes), question });
  const task = await writeFileCommit(repo, reader, {
    parent,
    file: 'task.txt',
    blob: await writeBlob(repo, bytes),
    message,
    by: { name: 'bot', atMs: Date.now() },
  });
  reader.close();
  const identity = { GIT_COMMITTER_NAME: 'bot', GIT_COMMITTER_EMAIL: 'bot@llm-bridge.invalid' };
  const atMs = performance.timeOrigin + performance.now();
  await lab.git(bridge.repoPath, ['update-ref', MAIN_REF, task, parent], {
    env: { ...lab.env, ...identity },
  });
  return { task, atMs };
}
