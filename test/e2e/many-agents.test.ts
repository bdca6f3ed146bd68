import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { shortId } from '../../src/protocol/names.js';
import { checkInvariant } from '../soak/check-invariant.js';
import { tally } from '../soak/figures.js';
import { seeded } from '../soak/random.js';
import { chatsOf, questionOfChat, startAgent } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { gitOk } from '../support/git.js';
import { writeMany } from '../support/message-writer.js';
import { onCleanup } from '../support/on-cleanup.js';
import { IS_FULL_LENGTH } from '../support/test-length.js';
import { waitUntil } from '../support/wait-until.js';

const AGENTS = IS_FULL_LENGTH ? 8 : 3;
const TASKS = IS_FULL_LENGTH ? 200 : 24;
/** What a small model takes for a short answer; milliseconds. */
const LATENCY_MS = [150, 400] as const;
/** An agent that was held up for longer than its lease may find its task taken over. */
const MAX_DOUBLES = IS_FULL_LENGTH ? 3 : 1;

test(`${AGENTS} agents started at once on ${TASKS} tasks: each task is generated, answered and logged once`, {
  timeout: 400_000,
}, async () => {
  const names = Array.from({ length: AGENTS }, (_, index) => `pc-${index + 1}`);
  const bridge = await startBridgeFixture({
    hooks: 'here',
    principals: names.map((name) => ({ name, role: 'agent' as const })),
  });
  const random = seeded(1, 'latency');
  const standIn = await startStandIn({
    behave: () => ({ firstTokenAfter: sleep(random.int(...LATENCY_MS)) }),
  });
  onCleanup(() => standIn.close());
  const where = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const main = (await gitOk(['rev-parse', 'refs/heads/main'], where)).trim();
  const tasks = await writeMany({ gitDir: bridge.repoPath, env: bridge.ownerEnv }, main, TASKS);
  await gitOk(['update-ref', 'refs/heads/main', tasks.at(-1) ?? ''], where);

  const agents = await Promise.all(
    names.map((name) => startAgent(bridge, standIn, { as: name, state: name })),
  );
  await waitUntil(
    async () => (await bridge.readLog()).split('\n').length > TASKS,
    `${TASKS} lines in answers.log`,
    360_000,
  );
  for (const agent of agents) agent.signal('SIGTERM');
  for (const agent of agents) expect(await agent.exited).toEqual({ exitCode: 0, signal: null });

  const generated = tally();
  for (const chat of chatsOf(standIn))
    if ((await chat.ended) === 'complete') generated.add(questionOfChat(chat));
  const counts = Object.values(generated.toRecord());
  expect(counts).toHaveLength(TASKS);
  const doubles = counts.reduce((sum, count) => sum + count - 1, 0);
  // What the agents said of a task that two of them generated tells why.
  const said = Object.entries(generated.toRecord()).flatMap(([question, count]) => {
    const task = shortId(tasks[Number(/[0-9]+/.exec(question)?.[0])] ?? '');
    const lines = agents.flatMap((agent) => agent.stderr().split('\n'));
    return count === 1 ? [] : [`${question}:`, ...lines.filter((line) => line.includes(task)).sort()];
  });
  expect(doubles, said.join('\n')).toBeLessThanOrEqual(MAX_DOUBLES);
  const report = await checkInvariant({
    repoPath: bridge.repoPath,
    logPath: join(bridge.repoPath, 'bridge', 'answers.log'),
    nowMs: Date.now(),
    ttlMs: 3_600_000,
    token: /question [0-9]+/,
  });
  expect(report).toMatchObject({ violations: [], tasks: TASKS, answers: TASKS, errors: {}, cached: 0 });
});
