import { join } from 'node:path';
import type { StandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type CreateAgentOptions, createAgent } from '../../src/index.js';
import { errorText } from '../../src/protocol/bridge-error.js';
import type { BridgeAgentOptions } from './bridge-agent.js';
import type { BridgeFixture } from './bridge-fixture.js';
import type { RunningCli } from './cli.js';
import { onCleanup } from './on-cleanup.js';
import { waitUntil } from './wait-until.js';

/** What a test has of an agent, be it the built program or one in the process of the test. */
export type RunningAgent = Pick<RunningCli, 'stderr' | 'waitFor' | 'signal' | 'exited'>;

/** How an agent in this process is started: its options are fields, not words. */
export type AgentHereOptions = Omit<BridgeAgentOptions, 'args'> &
  Omit<CreateAgentOptions, 'repo' | 'env' | 'stateDir' | 'log'>;

/**
 * Starts the agent of `src` in this process, without the start of node that costs as much as a few answers.
 * For tests that are about what others do, or about what an agent does with a bridge. Not for one that is to
 * be killed. Any number at a time. It ends in good order by SIGINT or SIGTERM, at the latest after the test.
 */
export async function startAgentHere(
  bridge: BridgeFixture,
  standIn: StandIn,
  { as = 'home-pc', repo = bridge.sshUrl, state, env, ...more }: AgentHereOptions,
): Promise<RunningAgent> {
  const stop = new AbortController();
  let said = '';
  let hasEnded = false;
  const agent = createAgent({
    ...{ ollamaUrl: standIn.ollamaUrl, lmstudioUrl: standIn.lmstudioUrl },
    ...more,
    repo,
    env: { ...bridge.principal(as).env, ...env },
    stateDir: join(bridge.dir, `state-${state}`),
    log: (level, text) => {
      said += `${level === 'info' ? '' : `${level}: `}${text}\n`;
    },
  });
  const exited = agent.run(stop.signal).then(
    () => ({ exitCode: 0, signal: null }),
    (error: unknown) => {
      said += `error: ${errorText(error)}\n`;
      return { exitCode: 1, signal: null };
    },
  );
  void exited.then(() => {
    hasEnded = true;
  });
  onCleanup(async () => {
    stop.abort();
    await exited;
  });
  return {
    stderr: () => said,
    waitFor: (_stream, pattern, timeoutMs) =>
      waitUntil(
        () => {
          const match = said.match(pattern);
          if (match === null && hasEnded) throw new Error(`the agent has ended without ${pattern}:\n${said}`);
          return match;
        },
        `${pattern} from the agent`,
        timeoutMs,
      ).catch((error: unknown) => {
        throw new Error(`${errorText(error)}\n${said}`);
      }),
    signal: (name) => {
      if (name !== 'SIGTERM' && name !== 'SIGINT') throw new Error(`${name} would end the test as well`);
      stop.abort();
    },
    exited,
  };
}
