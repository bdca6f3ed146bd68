import type { BridgeFixture } from './bridge-fixture.js';
import type { runCli } from './cli.js';
import { runCliHere } from './cli-here.js';
import type { RunResult } from './run-process.js';

/** Whence a bridge is used: its owner comes by the path, the bot over ssh. */
export const PLACES = ['local', 'ssh'] as const;
export type Place = (typeof PLACES)[number];

/** Runs a command about a bridge from there, by the command line of `src` in this process or by another. */
export function runFrom(
  bridge: BridgeFixture,
  where: Place,
  args: readonly string[],
  run: typeof runCliHere | typeof runCli = runCliHere,
): Promise<RunResult> {
  return where === 'local'
    ? run([...args, '--repo', bridge.repoPath], { env: bridge.ownerEnv })
    : run([...args, '--repo', bridge.sshUrl], { env: bridge.principal('bot').env });
}

/** Asks as the bot, with these words and options, and does not wait. Returns the id of the task. */
export async function botAsks(bridge: BridgeFixture, ...args: string[]): Promise<string> {
  const { stdout } = await runFrom(bridge, 'ssh', ['ask', '--no-wait', ...args]);
  return stdout.trim();
}
