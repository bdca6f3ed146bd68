import { timeLimit } from '../process/time-limit.js';
import { oneLine } from '../protocol/printable.js';
import type { AgentOptions } from './agent-options.js';
import type { ListedModel } from './backends/backend.js';
import { backendNamed, openBackends } from './backends/backends.js';
import { isCloudName } from './backends/cloud-model.js';
import { nameModels, withoutModel } from './backends/name-models.js';
import { bestModel } from './generate/choose-model.js';

/**
 * A model server on this machine lists its models at once; one that starts together with the agent, soon.
 * Milliseconds.
 */
const LIST_TIMEOUT_MS = 10_000;

/** A backend that can be reached, and its models. */
interface Listed {
  readonly name: string;
  readonly models: readonly ListedModel[];
}

/**
 * Warns at the start of an agent where its tasks will fail: the model that it is told to use is on none of
 * its backends, or cannot be asked; or no backend has a model that answers without being named. Says which
 * models there are. Backends that cannot be reached are left out, because they may still start. Never
 * throws.
 */
export async function warnOfModels(
  { generate, log }: Pick<AgentOptions, 'generate' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    const backends = await openBackends(generate.order, generate);
    const listed = await Promise.all(
      backends.map(async (backend): Promise<Listed[]> => {
        const within = timeLimit(LIST_TIMEOUT_MS, signal);
        const models = await backend.listModels(within).catch(() => null);
        return models === null ? [] : [{ name: backend.name, models }];
      }),
    );
    const warning = warningOf(listed.flat(), generate.model, generate.allowCloud ?? false);
    if (warning !== null && !signal.aborted) log('warn', oneLine(warning), { event: 'models' });
  } catch {
    // A warning must not end the agent.
  }
}

/** What is wrong, in one line; null where nothing is, or nothing is known. */
function warningOf(
  listed: readonly Listed[],
  wanted: string | undefined,
  allowCloud: boolean,
): string | null {
  if (listed.length === 0) return null;
  const there = listed
    .map(({ name, models }) => `${name} has ${nameModels(models) || 'no model'}`)
    .join('; ');
  if (wanted === undefined) {
    if (listed.some(({ models }) => bestModel(models) !== null)) return null;
    return `tasks that name no model will fail: ${withoutModel(listed.flatMap(({ models }) => models))}`;
  }
  const found = listed.flatMap(({ name, models }) => {
    return models.filter((model) => backendNamed(name).sameModel(wanted, model.name));
  });
  if (isCloudName(wanted) || (found.length > 0 && found.every(({ isCloud }) => isCloud))) {
    if (allowCloud) return null;
    return `--model ${wanted} does not run here, and tasks will fail without --allow-cloud; ${there}`;
  }
  if (found.length === 0) return `--model ${wanted} is on none of the model servers that answer; ${there}`;
  if (found.some(({ canChat }) => canChat)) return null;
  return `--model ${wanted} cannot chat; ${there}`;
}
