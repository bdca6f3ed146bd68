import type { Backend } from '../agent/backends/backend.js';
import {
  backendNamed,
  backendTitles,
  DEFAULT_BACKEND_ORDER,
  openBackends,
  withAddress,
} from '../agent/backends/backends.js';
import { readBackendTokens, requireBackendUrls } from '../agent/backends/given-backends.js';
import { bestModel } from '../agent/generate/choose-model.js';
import { timeLimit } from '../process/time-limit.js';
import { STAND_IN_WIRE, standInArgs, startStandIn } from './stand-in/start-stand-in.js';

/** A model server for the demo. */
export interface DemoModels {
  readonly description: string;
  /** The options that the agent gets for it. */
  readonly agentArgs: readonly string[];
  close(): Promise<void>;
}

/** A server on this machine answers with its models at once, or it is not there. Milliseconds. */
const PROBE_TIMEOUT_MS = 2_000;

/** A real model server on this machine that has a model; else a stand-in, which says that it is one. */
export async function findModelServer(
  signal: AbortSignal,
  env: NodeJS.ProcessEnv,
  backends?: readonly Backend[],
): Promise<DemoModels> {
  for (const backend of backends ?? (await openAll(env))) {
    const timeout = timeLimit(PROBE_TIMEOUT_MS, signal);
    const model = bestModel(await backend.listModels(timeout).catch(() => []))?.name;
    if (model === undefined) continue;
    return {
      description: `model: ${model}, of ${backendNamed(backend.name).title} on this machine`,
      agentArgs: ['--backend', backend.name, '--model', model],
      close: async () => {},
    };
  }
  const standIn = await startStandIn();
  return {
    description: `model: none; no ${titlesAfterNo()} answered here, so a stand-in does, which speaks the wire format of ${STAND_IN_WIRE} and can only calculate`,
    agentArgs: standInArgs(standIn),
    close: () => standIn.close(),
  };
}

/** The titles of all backends behind a "no", which takes no article. */
function titlesAfterNo(): string {
  return backendTitles().replace(/\ban? (?=\S)/g, '');
}

/** Opens all backends, at the addresses that the environment names. */
async function openAll(env: NodeJS.ProcessEnv): Promise<Backend[]> {
  const urls = requireBackendUrls({}, env);
  const order = withAddress(DEFAULT_BACKEND_ORDER, urls);
  return await openBackends(order, { ...urls, tokens: await readBackendTokens(order, {}, env) });
}
