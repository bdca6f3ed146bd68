import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { git } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';
import { checkInvariant, type InvariantReport } from './check-invariant.js';
import { type Figures, formatFigures, tally } from './figures.js';
import { keepAgent, runOnce, type SoakAgent } from './soak-agents.js';
import { askByCommand, askByFile, askByGit } from './soak-askers.js';
import { breakAtRandom, killAtRandom } from './soak-chaos.js';
import { type SoakModel, startSoakModel } from './soak-models.js';
import { clearedLocks, type OperatorWork, oldLocks, operate } from './soak-operator.js';
import { AGENTS, ASKERS, makeSoakWorld, pause, SOAK_TTL_MS, type SoakWorld } from './soak-world.js';
import { TOKEN } from './tokens.js';

/** How much of a soak. It goes on until there were so many tasks and so many kills, or the time is over. */
export interface SoakOptions {
  readonly seed: number;
  readonly tasks: number;
  readonly kills: number;
  readonly seconds: number;
  /** Gets a line now and then. */
  readonly say: (line: string) => void;
}

/** What came of it. */
export interface SoakResult {
  readonly figures: Figures;
  /** What is wrong, a sentence each. */
  readonly violations: readonly string[];
  /** Where the bridge, the clones and everything that was said are kept, if something is wrong. */
  readonly keptIn: string | null;
}

/** How often it says how far it is; milliseconds. */
const SAY_EVERY_MS = 5000;

/**
 * Lets agents, askers, a watcher and an operator work on one bridge while their processes are killed and
 * their connections broken; then kills everything, lets the bridge recover once, and checks what it
 * promises. For the running test: all of it goes afterwards.
 */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { seed, say } = options;
  const world = await makeSoakWorld(seed);
  onCleanup(() => killAll(world));
  const generated = tally();
  const agents = await startModels(world, generated);
  const models = agents.map((agent) => agent.model);
  const kills = tally();
  const work: OperatorWork = { gcRuns: 0, rotations: 0, longestLockMs: 0 };
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;

  const chaos = new AbortController();
  const asking = new AbortController();
  const running = new AbortController();
  const meanMs = (options.seconds * 1000 * 0.4) / options.kills;
  const { repoPath, sshUrl } = world.bridge;
  const failed: unknown[] = [];
  const part = (job: Promise<unknown>): Promise<unknown> =>
    job.catch((error: unknown) => {
      failed.push(error);
    });
  const serving = [...agents.map((agent) => part(keepAgent(world, agent, running.signal)))];
  const operating = part(operate(world, work, chaos.signal));
  const breaking = breakAtRandom(world, models, chaos.signal);
  const killing = part(killAtRandom(world, kills, meanMs, chaos.signal));
  const askers = [
    askByCommand(
      world,
      { stream: ASKERS[0], repo: sshUrl, env: world.env(ASKERS[0]), pauseMs: 300 },
      asking.signal,
    ),
    askByCommand(
      world,
      { stream: 'owner', repo: repoPath, env: world.ownerEnv, pauseMs: 600 },
      asking.signal,
    ),
    askByGit(world, ASKERS[1], asking.signal),
    askByFile(world, asking.signal),
  ].map(part);

  const enough = () => world.main.tasks() >= options.tasks && kills.sum() >= options.kills;
  let saidAt = Number.NEGATIVE_INFINITY;
  while (!enough() && seconds() < options.seconds && failed.length === 0) {
    await pause(200, running.signal);
    if (performance.now() - saidAt < SAY_EVERY_MS) continue;
    saidAt = performance.now();
    say(progress());
  }

  function progress(): string {
    const { tasks, answers, pending } = world.main;
    return `${seconds().toFixed(0).padStart(5)} s  ${tasks()} tasks, ${answers()} answers, ${pending()} pending, ${kills.sum()} kills, ${world.proxy.cuts()} cuts, ${work.gcRuns} gc, ${work.rotations} rotations`;
  }

  // The end comes for all at once, as with the power.
  say(`${progress()}; killing everything`);
  asking.abort();
  running.abort();
  chaos.abort();
  const killed = part(killing).then(() => killAll(world));
  const [{ modelRestarts }] = await Promise.all([breaking, killed, operating, ...serving]);
  await killAll(world);
  await Promise.all(askers);
  if (failed.length > 0) throw failed[0];

  const violations = await recover(world, agents, say);
  const verified = await world.run(['verify', '--json', '--repo', repoPath], world.ownerEnv);
  if (verified.exitCode !== 0) violations.push(`verify: ${verified.stdout}${verified.stderr}`);
  const report = await checkInvariant({
    repoPath,
    logPath: world.logPath,
    nowMs: Date.now(),
    ttlMs: SOAK_TTL_MS,
    token: TOKEN,
    acknowledged: world.acknowledged,
    given: world.given,
  });
  violations.push(...report.violations);
  const doubles = Object.entries(generated.toRecord())
    .filter(([token]) => TOKEN.test(token))
    .reduce((sum, [, count]) => sum + count - 1, 0);
  const figures: Figures = {
    seed,
    seconds: seconds(),
    ...countsOf(report),
    answersPerSecond: report.answers / seconds(),
    kills: kills.sum(),
    killsByKind: kills.toRecord(),
    sshCuts: world.proxy.cuts(),
    sshdRestarts: world.sshdRestarts(),
    modelRestarts,
    ...work,
    clearedLocks: clearedLocks(world),
    doubles,
    asks: world.asks.toRecord(),
    agentsGaveUp: world.gaveUp.toRecord(),
  };
  say(formatFigures(figures));
  const keptIn = violations.length > 0 || process.env.SOAK_KEEP === '1' ? await keep(world) : null;
  return { figures, violations, keptIn };
}

function countsOf(report: InvariantReport) {
  const { tasks, answers, errors, cached, expired, logFiles } = report;
  return { tasks, answers, errors, cached, expired, logFiles };
}

/** An agent has its own machine: its own model server, in one wire format, the other, or both. */
async function startModels(world: SoakWorld, generated: ReturnType<typeof tally>): Promise<SoakAgent[]> {
  const backends = ['ollama', 'lmstudio', 'auto', 'lmstudio,ollama'];
  const agents: SoakAgent[] = [];
  for (const [index, name] of AGENTS.entries()) {
    const model: SoakModel = await startSoakModel(world.random(`model of ${name}`), (token) =>
      generated.add(token),
    );
    onCleanup(model.close);
    agents.push({ name, model, backend: backends[index] ?? 'auto' });
  }
  return agents;
}

/** Kills every process of the bridge but its sshd, and waits until none is left. */
async function killAll(world: SoakWorld): Promise<void> {
  await waitUntil(() => {
    const left = world.processes.scan();
    for (const one of left) world.processes.kill(one);
    return left.length === 0;
  }, 'the end of every process of the bridge');
}

/**
 * One recovery, as docs/operating.md says it: each agent starts once more, the log catches up. Answers what
 * of it did not work.
 */
async function recover(
  world: SoakWorld,
  agents: readonly SoakAgent[],
  say: (line: string) => void,
): Promise<string[]> {
  const wrong: string[] = [];
  world.proxy.calm();
  for (const { model } of agents) model.calm();
  for (const agent of agents) {
    const done = await runOnce(world, agent);
    if (done.exitCode !== 0)
      wrong.push(`recovery: ${agent.name} ended with ${done.exitCode}: ${done.stderr.slice(-1000)}`);
  }
  const where = { gitDir: world.bridge.repoPath, env: world.ownerEnv };
  const ingested = await world.run(['ingest', '--repo', world.bridge.repoPath], world.ownerEnv);
  if (ingested.exitCode !== 0) wrong.push(`recovery: ingest: ${ingested.stderr}`);
  for (const { name } of await oldLocks(world)) wrong.push(`recovery: ${name} is left`);
  const status = await world.run(['status', '--json', '--repo', world.bridge.repoPath], world.ownerEnv);
  const read =
    status.exitCode === 0
      ? (JSON.parse(status.stdout) as { pending: unknown[]; stale_locks: unknown[] })
      : null;
  if (read === null || read.pending.length > 0 || read.stale_locks.length > 0)
    wrong.push(`recovery: status says ${status.stdout}${status.stderr}`);
  const gc = await git(['gc', '--quiet', '--prune=now'], where);
  if (gc.exitCode !== 0) wrong.push(`recovery: gc: ${gc.stderr}`);
  say('recovered; checking');
  return wrong;
}

async function keep(world: SoakWorld): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `llm-bridge-soak-${world.seed}-`));
  for (const name of ['bridge.git', 'output', 'sshd/sshd.log', ...AGENTS.map((agent) => `state-${agent}`)])
    await cp(join(world.bridge.dir, name), join(folder, name), { recursive: true }).catch(() => {});
  return folder;
}
