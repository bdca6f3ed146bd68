import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askOnce } from '../ask-once.js';
import { startAgent } from '../bench-agent.js';
import { readGitStarts } from '../git-trace.js';
import { followLog } from '../log-follower.js';
import { prepareBridge } from '../prepare-bridge.js';
import type { Figure } from '../report.js';
import type { Row } from '../row-context.js';
import { runProgram } from '../run-program.js';
import { summarise } from '../statistics.js';

/** What a push leaves to do in the background is over by then. Milliseconds. */
const SETTLED_MS = 700;

/**
 * How many git processes one task costs, those that git starts itself included: who asks, on the PC, and on
 * the server. Only told.
 */
export const processesRow: Row = async ({ lab, program, options }) => {
  const bin = path.join(lab.dir, 'counted-bin');
  const serverTrace = path.join(lab.dir, 'processes-server.trace');
  const askTrace = path.join(lab.dir, 'processes-ask.trace');
  const { stdout: git } = await runProgram('sh', ['-c', 'command -v git'], { env: lab.env });
  await mkdir(bin);
  // ssh-command clears the environment, so it is this git that says where its starts are written down.
  const counted = `#!/bin/sh\nGIT_TRACE2_EVENT='${serverTrace}' exec '${git.trim()}' "$@"\n`;
  await writeFile(path.join(bin, 'git'), counted);
  await chmod(path.join(bin, 'git'), 0o755);
  const bridge = await prepareBridge(lab, 'processes', {
    answered: 100,
    recent: 100,
    serverPath: `${bin}:${lab.env.PATH ?? ''}`,
  });
  const agent = await startAgent(lab, program, bridge);
  const log = await followLog(bridge.logPath);
  const asking = { ...lab, program: withTrace(lab.program, lab.env, askTrace) };
  const counts: { ask: number[]; agent: number[]; server: number[] } = { ask: [], agent: [], server: [] };
  const look = async () => ({
    ask: (await readGitStarts(askTrace)).length,
    agent: (await agent.gitStarts()).length,
    server: (await readGitStarts(serverTrace)).length,
  });
  for (let run = -1; run < Math.min(options.runs ?? 10, 10); run += 1) {
    await sleep(SETTLED_MS);
    const before = await look();
    await askOnce(asking, bridge, log, `What is ${run + 3} * 4?`);
    await sleep(SETTLED_MS);
    const after = await look();
    if (run < 0) continue;
    counts.ask.push(after.ask - before.ask);
    counts.agent.push(after.agent - before.agent);
    counts.server.push(after.server - before.server);
  }
  await agent.stop();
  const figure = (what: string, values: readonly number[]): Figure => ({
    row: 'processes',
    what: `git processes of one task, ${what}`,
    unit: 'processes',
    value: summarise(values),
  });
  return [
    figure('to ask it on the server', counts.ask),
    figure('on the PC', counts.agent),
    figure('on the server, for its fetch and its push', counts.server),
  ];
};

/** The program, with a trace of what git it starts. */
function withTrace(
  run: Parameters<Row>[0]['lab']['program'],
  env: Readonly<Record<string, string>>,
  trace: string,
): typeof run {
  return (args, options) => run(args, { ...options, env: { ...env, GIT_TRACE2_EVENT: trace } });
}
