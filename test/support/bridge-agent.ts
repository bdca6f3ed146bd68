import { join } from 'node:path';
import type { RecordedRequest } from '../../src/demo/stand-in/stand-in-request.js';
import type { StandIn } from '../../src/demo/stand-in/start-stand-in.js';
import type { BridgeFixture } from './bridge-fixture.js';
import { type RunningCli, runCli, startCli } from './cli.js';
import { runCliHere } from './cli-here.js';
import { onCleanup } from './on-cleanup.js';
import type { RunResult } from './run-process.js';

/** How an agent of a test is started. */
export interface BridgeAgentOptions {
  /** Whose key. Default: `home-pc`. */
  readonly as?: string;
  /** Default: the `ssh://` address of the bridge. */
  readonly repo?: string;
  /** The name of its state folder below the fixture's folder: the same name, the same folder. */
  readonly state: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

/** Starts the built agent on a bridge, with the stand-in as both of its model servers. */
export function startAgent(
  bridge: BridgeFixture,
  standIn: StandIn,
  options: BridgeAgentOptions,
): Promise<RunningCli> {
  return startCli(agentArgs(bridge, standIn, options), { env: agentEnv(bridge, options) });
}

/** Runs `agent --once` to its end. */
export function runAgentOnce(
  bridge: BridgeFixture,
  standIn: StandIn,
  options: BridgeAgentOptions,
): Promise<RunResult> {
  return runCli([...agentArgs(bridge, standIn, options), '--once'], { env: agentEnv(bridge, options) });
}

/** The same from `src` and in this process (see runCliHere), for tests that are about what others do. */
export function runAgentOnceHere(
  bridge: BridgeFixture,
  standIn: StandIn,
  options: BridgeAgentOptions,
): Promise<RunResult> {
  return runCliHere([...agentArgs(bridge, standIn, options), '--once'], { env: agentEnv(bridge, options) });
}

/** The requests for an answer, in the order they came: what the model was really asked. */
export function chatsOf(standIn: StandIn): RecordedRequest[] {
  return standIn.requests.filter(({ path }) => path === '/api/chat' || path.endsWith('/v1/chat/completions'));
}

/** The last message of each of those requests. */
export function questionsOf(standIn: StandIn): string[] {
  return chatsOf(standIn).map(questionOfChat);
}

/** The last message of a request for an answer. */
export function questionOfChat(chat: RecordedRequest): string {
  const { messages } = chat.body as { messages: { content: string }[] };
  return messages.at(-1)?.content ?? '';
}

/**
 * A promise to be settled by hand, for a model that is held until the test lets it go. It is settled at the
 * end of the test as well: an agent that a failed test left at its task would be there for no later test.
 */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  onCleanup(() => open());
  return { opened, open };
}

function agentArgs(bridge: BridgeFixture, standIn: StandIn, options: BridgeAgentOptions): string[] {
  return [
    'agent',
    ...['--repo', options.repo ?? bridge.sshUrl],
    ...['--state-dir', join(bridge.dir, `state-${options.state}`)],
    ...(options.args?.includes('--ollama-url') ? [] : ['--ollama-url', standIn.ollamaUrl]),
    ...(options.args?.includes('--lmstudio-url') ? [] : ['--lmstudio-url', standIn.lmstudioUrl]),
    ...(options.args ?? []),
  ];
}

function agentEnv(bridge: BridgeFixture, options: BridgeAgentOptions): Record<string, string> {
  return { ...bridge.principal(options.as ?? 'home-pc').env, ...options.env };
}
