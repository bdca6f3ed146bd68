import { join } from 'node:path';
import type { RunResult } from '../support/run-process.js';
import { runLogged } from './run-logged.js';
import type { SoakModel } from './soak-models.js';
import { pause, reasonOf, type SoakWorld } from './soak-world.js';

/** One of the agents of a soak. */
export interface SoakAgent {
  readonly name: string;
  readonly model: SoakModel;
  /** As `--backend` takes it. */
  readonly backend: string;
}

/**
 * Keeps an agent running until the signal aborts: whatever it dies of, it is started again, as a service
 * manager does.
 */
export async function keepAgent(world: SoakWorld, agent: SoakAgent, signal: AbortSignal): Promise<void> {
  const random = world.random(agent.name);
  while (!signal.aborted) {
    const ended = await runLogged(argsOf(world, agent), {
      env: world.env(agent.name),
      file: join(world.outputDir, `${agent.name}.txt`),
      signal,
    });
    if (ended.signal !== 'SIGKILL') world.gaveUp.add(`${agent.name}: ${reasonOf(ended.output)}`);
    await pause(random.wait(1000), signal);
  }
}

/** Lets an agent answer what is pending, past the proxy, and waits for its end. */
export async function runOnce(world: SoakWorld, agent: SoakAgent): Promise<RunResult> {
  const done = await world.run([...argsOf(world, agent), '--once'], world.env(agent.name, 'direct'));
  await world.note(`${agent.name}.txt`, `${done.stderr}--- once: ${done.exitCode}\n`);
  return done;
}

function argsOf(world: SoakWorld, { name, model, backend }: SoakAgent): string[] {
  return [
    'agent',
    ...['--repo', world.bridge.sshUrl],
    ...['--state-dir', join(world.bridge.dir, `state-${name}`)],
    ...['--ollama-url', model.ollamaUrl, '--lmstudio-url', model.lmstudioUrl, '--backend', backend],
    ...['--parallel', '2'],
    // A model server that hangs or is away is an error answer within seconds.
    ...['--idle-timeout', '8', '--total-timeout', '20', '--retry-window', '3'],
  ];
}
