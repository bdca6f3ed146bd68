import type { BridgeProcess, ProcessKind } from './bridge-processes.js';
import type { Tally } from './figures.js';
import type { SoakModel } from './soak-models.js';
import { pause, type SoakWorld } from './soak-world.js';

/**
 * How often each kind of process is killed, against the others. What the bridge's promise rests on is killed
 * most.
 */
const VICTIMS: Readonly<Record<Exclude<ProcessKind, 'other'>, number>> = {
  agent: 4,
  'agent-git': 9,
  'agent-ssh': 5,
  ask: 5,
  'ask-git': 4,
  'ask-ssh': 3,
  'bot-git': 3,
  'bot-ssh': 3,
  watch: 3,
  'watch-git': 2,
  operator: 2,
  'operator-git': 2,
  'sshd-session': 6,
  'ssh-command': 3,
  gate: 4,
  'receive-pack': 10,
  'index-pack': 6,
  'upload-pack': 5,
  doorbell: 3,
  'hook-sh': 5,
  'pre-receive': 7,
  'post-receive': 10,
  standby: 10,
  'hook-git': 6,
  gc: 6,
};

/**
 * How long a kind of process is waited for that is not there; many live for a few milliseconds now and then.
 */
const HUNT_MS = 4000;
/** How often the table is looked at meanwhile. One look takes about five milliseconds. */
const LOOK_EVERY_MS = 10;

/**
 * Kills a process of the bridge again and again, `meanMs` apart on average, until the signal aborts. Counts
 * each by its kind.
 */
export async function killAtRandom(
  world: SoakWorld,
  kills: Tally,
  meanMs: number,
  signal: AbortSignal,
): Promise<void> {
  const random = world.random('kills');
  while (!signal.aborted) {
    const startedMs = performance.now();
    const waitMs = random.wait(meanMs);
    const wanted = random.weighted(VICTIMS);
    const delayMs = random.chance(0.5) ? random.int(0, 60) : 0;
    const found = await hunt(wanted);
    // Found at its start; a moment later it is in the middle of something.
    if (found !== null && delayMs > 0) await pause(delayMs, signal);
    if (found !== null && world.processes.kill(found)) {
      kills.add(found.kind);
      await world.note(
        'kills.txt',
        `${new Date().toISOString()} ${found.kind} ${found.pid} ${found.words.join(' ').slice(0, 200)}\n`,
      );
    }
    await pause(waitMs - (performance.now() - startedMs), signal);
  }

  /** A process of that kind; where none comes, any. */
  async function hunt(wanted: ProcessKind): Promise<BridgeProcess | null> {
    const giveUpAt = performance.now() + HUNT_MS;
    for (;;) {
      const all = world.processes.scan().filter((one) => one.kind !== 'other');
      const fitting = all.filter((one) => one.kind === wanted);
      if (fitting.length > 0) return random.pick(fitting);
      if (signal.aborted) return null;
      if (performance.now() > giveUpAt) {
        if (all.length === 0) return null;
        // By their kinds again: the many connections of the agents would be most of it otherwise.
        const weights = Object.fromEntries(
          all.map(({ kind }) => [kind, kind === 'other' ? 0 : VICTIMS[kind]]),
        );
        const kind = random.weighted(weights);
        return random.pick(all.filter((one) => one.kind === kind));
      }
      await pause(LOOK_EVERY_MS, signal);
    }
  }
}

/**
 * Breaks connections, restarts sshd and the model servers, until the signal aborts. Answers how often the
 * latter.
 */
export async function breakAtRandom(
  world: SoakWorld,
  models: readonly SoakModel[],
  signal: AbortSignal,
): Promise<{ modelRestarts: number }> {
  let modelRestarts = 0;
  const cutting = async (): Promise<void> => {
    const random = world.random('cuts');
    while (!signal.aborted) {
      await pause(random.wait(7000), signal);
      world.proxy.cutOne();
    }
  };
  const restarting = async (): Promise<void> => {
    const random = world.random('restarts');
    while (!signal.aborted) {
      await pause(random.wait(45_000), signal);
      if (signal.aborted) return;
      await random.pick(models).restart();
      modelRestarts += 1;
    }
  };
  await Promise.all([cutting(), restarting()]);
  return { modelRestarts };
}
