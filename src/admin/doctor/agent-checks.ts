import path from 'node:path';
import {
  type BackendName,
  type BackendTokens,
  type BackendUrls,
  DEFAULT_BACKEND_ORDER,
  openBackends,
  type TokenFiles,
  withAddress,
} from '../../agent/backends/backends.js';
import { readBackendTokens, requireBackendUrls } from '../../agent/backends/given-backends.js';
import { defaultStateDir } from '../../agent/state-folder.js';
import {
  askForModels,
  type BackendState,
  checkGeneration,
  GENERATION_TIMEOUT_MS,
  generationNotWanted,
  judgeModels,
  judgeReach,
} from './check-backend.js';
import { checkStateFolder } from './check-state-folder.js';
import type { Check } from './finding.js';

/** The settings for the agent's part of `doctor`: the options of `agent`. */
export interface AgentCheckOptions extends BackendUrls, TokenFiles {
  readonly env: NodeJS.ProcessEnv;
  /** The address of the bridge, in git's form. */
  readonly url: string;
  readonly stateDir?: string | undefined;
  readonly order?: readonly BackendName[] | undefined;
  readonly model?: string | undefined;
  readonly allowCloud?: boolean | undefined;
  /** Whether a model is to generate a word. */
  readonly generate: boolean;
  readonly now: () => number;
}

/** The folder in which the agent keeps its state. */
export function stateDirOf(options: Pick<AgentCheckOptions, 'url' | 'stateDir'>): string {
  return path.resolve(options.stateDir ?? defaultStateDir(options.url));
}

/**
 * The checks of a machine that answers, in their order. Throws BridgeError `usage` for an invalid address of
 * a model server.
 */
export function agentChecks(options: AgentCheckOptions): Check[] {
  const urls = requireBackendUrls(options, options.env);
  const order = withAddress(options.order ?? DEFAULT_BACKEND_ORDER, urls);
  let states: BackendState[] = [];
  let tokens: BackendTokens = {};
  const settings = {
    order,
    ...urls,
    ...(options.model === undefined ? {} : { model: options.model }),
    allowCloud: options.allowCloud,
    idleTimeoutMs: GENERATION_TIMEOUT_MS,
    totalTimeoutMs: GENERATION_TIMEOUT_MS,
    retryWindowMs: 0,
  };
  return [
    { name: 'state-folder', run: () => checkStateFolder(stateDirOf(options), options.now()) },
    {
      name: 'backend',
      async run() {
        tokens = await readBackendTokens(order, options, options.env);
        states = await Promise.all(
          (await openBackends(order, { ...urls, tokens, allowCloud: options.allowCloud })).map(askForModels),
        );
        return judgeReach(states);
      },
    },
    {
      name: 'models',
      needs: ['backend'],
      run: async () => judgeModels(states, options.model, options.allowCloud ?? false),
    },
    {
      name: 'generation',
      needs: ['models'],
      run: async () =>
        options.generate ? checkGeneration({ ...settings, tokens }, options.now) : generationNotWanted(),
    },
  ];
}
