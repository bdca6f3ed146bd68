import type { Backend } from '../agent/backends/backend.js';
import { DEFAULT_LMSTUDIO_URL, DEFAULT_OLLAMA_URL } from '../agent/backends/backend-url.js';
import { lmstudioBackend } from '../agent/backends/lmstudio/lmstudio-backend.js';
import { ollamaBackend } from '../agent/backends/ollama/ollama-backend.js';
import { startStandIn } from './stand-in/start-stand-in.js';

/** A model server for the demo. */
export interface DemoModels {
  readonly description: string;
  /** The options that the agent gets for it. */
  readonly agentArgs: readonly string[];
  close(): Promise<void>;
}

/** A server on this machine answers with its models at once, or it is not there. Milliseconds. */
const PROBE_TIMEOUT_MS = 2_000;

/**
 * A real Ollama or LM Studio on this machine that has a model; else a stand-in, which says that it is one.
 */
export async function findModelServer(
  signal: AbortSignal,
  backends: readonly Backend[] = [ollamaBackend(DEFAULT_OLLAMA_URL), lmstudioBackend(DEFAULT_LMSTUDIO_URL)],
): Promise<DemoModels> {
  for (const backend of backends) {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
    const [model] = await backend.listModels(timeout).catch(() => []);
    if (model === undefined) continue;
    return {
      description: `model: ${model}, of the ${TITLE[backend.name]} on this machine`,
      agentArgs: ['--backend', backend.name, '--model', model],
      close: async () => {},
    };
  }
  const standIn = await startStandIn();
  return {
    description:
      'model: none; no Ollama and no LM Studio answered here, so a stand-in does, which speaks the wire format of Ollama and can only calculate',
    agentArgs: ['--backend', 'ollama', '--ollama-url', standIn.ollamaUrl],
    close: () => standIn.close(),
  };
}

const TITLE = { ollama: 'Ollama', lmstudio: 'LM Studio' } as const;
