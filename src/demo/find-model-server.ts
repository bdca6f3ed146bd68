import * as z from 'zod';
import { startStandIn } from './stand-in/start-stand-in.js';

/** A model server for the demo. */
export interface DemoModels {
  readonly description: string;
  /** What the agent is told of it. */
  readonly agentArgs: readonly string[];
  close(): Promise<void>;
}

/** A server on this machine answers a list of models at once, or it is not there. Milliseconds. */
const PROBE_TIMEOUT_MS = 2_000;

const PROBES = [
  {
    name: 'Ollama',
    backend: 'ollama',
    url: 'http://127.0.0.1:11434/api/tags',
    models: z
      .object({ models: z.array(z.object({ name: z.string() })) })
      .transform((body) => body.models.map((one) => one.name)),
  },
  {
    name: 'LM Studio',
    backend: 'lmstudio',
    url: 'http://127.0.0.1:1234/v1/models',
    models: z
      .object({ data: z.array(z.object({ id: z.string() })) })
      .transform((body) => body.data.map((one) => one.id)),
  },
] as const;

/** A real Ollama or LM Studio of this machine that has a model; else a stand-in, which says that it is one. */
export async function findModelServer(signal: AbortSignal): Promise<DemoModels> {
  for (const probe of PROBES) {
    const models = await listModels(probe, signal);
    const [model] = models;
    if (model === undefined) continue;
    return {
      description: `model: ${model}, of the ${probe.name} on this machine`,
      agentArgs: ['--backend', probe.backend, '--model', model],
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

async function listModels(probe: (typeof PROBES)[number], signal: AbortSignal): Promise<string[]> {
  try {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
    const response = await fetch(probe.url, { signal: timeout });
    const names = probe.models.parse(await response.json());
    return names.filter((name) => !name.startsWith('text-embedding-'));
  } catch {
    return [];
  }
}
