import path from 'node:path';
import { DEFAULT_BACKEND_ORDER } from '../../agent/agent-options.js';
import type { Backend } from '../../agent/backends/backend.js';
import { DEFAULT_LMSTUDIO_URL, DEFAULT_OLLAMA_URL } from '../../agent/backends/backend-url.js';
import { lmstudioBackend } from '../../agent/backends/lmstudio/lmstudio-backend.js';
import { ollamaBackend } from '../../agent/backends/ollama/ollama-backend.js';
import { defaultStateDir } from '../../agent/state-folder.js';
import type { BackendName } from '../../protocol/names.js';
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
export interface AgentCheckOptions {
  /** The address of the bridge, in git's form. */
  readonly url: string;
  readonly stateDir?: string | undefined;
  readonly order?: readonly BackendName[] | undefined;
  readonly model?: string | undefined;
  readonly ollamaUrl?: string | undefined;
  readonly lmstudioUrl?: string | undefined;
  /** Whether a model generates a word. */
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
  const ollamaUrl = options.ollamaUrl ?? DEFAULT_OLLAMA_URL;
  const lmstudioUrl = options.lmstudioUrl ?? DEFAULT_LMSTUDIO_URL;
  const order = options.order ?? DEFAULT_BACKEND_ORDER;
  const open: Record<BackendName, () => Backend> = {
    ollama: () => ollamaBackend(ollamaUrl),
    lmstudio: () => lmstudioBackend(lmstudioUrl),
  };
  const backends = order.map((name) => open[name]());
  let states: BackendState[] = [];
  const settings = {
    order,
    ollamaUrl,
    lmstudioUrl,
    ...(options.model === undefined ? {} : { model: options.model }),
    idleTimeoutMs: GENERATION_TIMEOUT_MS,
    totalTimeoutMs: GENERATION_TIMEOUT_MS,
    retryWindowMs: 0,
  };
  return [
    { name: 'state-folder', run: () => checkStateFolder(stateDirOf(options), options.now()) },
    {
      name: 'backend',
      async run() {
        states = await Promise.all(backends.map(askForModels));
        return judgeReach(states);
      },
    },
    { name: 'models', needs: ['backend'], run: async () => judgeModels(states, options.model) },
    {
      name: 'generation',
      needs: ['models'],
      run: async () => (options.generate ? checkGeneration(settings, options.now) : generationNotWanted()),
    },
  ];
}
