import type { TaskJson } from '../../protocol/task.js';
import type { GenerateSettings } from '../agent-options.js';
import type { Backend } from '../backends/backend.js';
import { backendNamed, isBackendName, withPrivateAddress } from '../backends/backends.js';
import { isCloudName } from '../backends/cloud-model.js';
import { isPrivateAddress } from '../backends/private-address.js';

/** The fields of a task that may forbid it to an agent. */
export type TaskLimits = Pick<TaskJson, 'backend' | 'local_only'>;

/**
 * A task forbids every model server that this agent could ask. This is no answer: another agent may have a
 * server that it allows, so the task is left pending.
 */
export class ForbiddenHere extends Error {
  override readonly name = 'ForbiddenHere';
}

/**
 * Why this agent may not take a task, to follow `left:`; null where it may. A task that says `local_only`
 * goes to private addresses only; where it also names a `backend`, only to that one.
 */
export function forbiddenHere(
  { backend, local_only }: TaskLimits,
  settings: GenerateSettings,
): string | null {
  if (local_only !== true) return null;
  // A backend that this version does not know is answered with `unknown_backend`.
  if (backend !== undefined && !isBackendName(backend)) return null;
  const order = backend === undefined ? settings.order : [backend];
  return withPrivateAddress(order, settings).length > 0
    ? null
    : 'no third party may read it, and no model server of this agent has a private address';
}

/**
 * The settings for a task that no third party may read: no model but those that run here, at private
 * addresses.
 */
export function keptHere(settings: GenerateSettings): GenerateSettings {
  return { ...settings, order: withPrivateAddress(settings.order, settings), allowCloud: false };
}

/**
 * Whether a third party reads what this model is asked: its server has an address that is not private, or
 * passes the question on. Without `allowCloud` a backend refuses models that would do so. Throws
 * BackendError as `Backend` does.
 */
export async function runsElsewhere(
  backend: Pick<Backend, 'name' | 'url' | 'listModels'>,
  model: string,
  { allowCloud = false }: Pick<GenerateSettings, 'allowCloud'>,
  signal: AbortSignal,
): Promise<boolean> {
  if (!isPrivateAddress(backend.url)) return true;
  if (!allowCloud) return false;
  if (isCloudName(model)) return true;
  const { sameModel } = backendNamed(backend.name);
  const listed = await backend.listModels(signal);
  return listed.some(({ name, isCloud }) => isCloud && sameModel(model, name));
}

/** As forbiddenHere, for a standby: it also leaves a task that names a backend which is not in its order. */
export function forbiddenToStandby(limits: TaskLimits, settings: GenerateSettings): string | null {
  const { backend } = limits;
  const isOther = backend !== undefined && !settings.order.some((name) => name === backend);
  return isOther ? `it is for ${backend} alone` : forbiddenHere(limits, settings);
}
