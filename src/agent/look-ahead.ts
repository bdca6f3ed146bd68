import { timeLimit } from '../process/time-limit.js';
import type { GenerateSettings } from './agent-options.js';
import { openBackends } from './backends/backends.js';
import { isPrivateAddress } from './backends/private-address.js';
import { bestModel } from './generate/choose-model.js';

/** A model server that takes longer is asked again by the task. Milliseconds. */
const AHEAD_TIMEOUT_MS = 1_000;

/**
 * Asks the model servers what a task will ask them before it sends its prompt, for the model that is the
 * likeliest: the one that was asked last, else the agent's own, else the best. A task that comes within a
 * second finds the answers in the memory of these settings. Never throws.
 */
export async function lookAhead(settings: GenerateSettings): Promise<void> {
  const { memory } = settings;
  if (memory === undefined) return;
  // Not the agent's signal: whatever is asked ends by itself within a second.
  const signal = timeLimit(AHEAD_TIMEOUT_MS);
  const lookups = memory.foresight.ahead();
  const backends = await openBackends(settings.order, { ...settings, lookups }).catch(() => []);
  for (const backend of backends) {
    // A third party need not hear of every ring of the doorbell.
    if (!isPrivateAddress(backend.url)) return;
    try {
      const likely = memory.asked.get(backend.url) ?? settings.model;
      const listed = backend.listModels(signal);
      const model = likely ?? bestModel(await listed)?.name;
      await Promise.all([listed, model === undefined ? null : backend.longestContext?.(model, signal)]);
      return;
    } catch {
      // The task will find the same, and ask the next.
    }
  }
}
