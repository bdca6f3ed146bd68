import type { TaskJson } from '../../protocol/task.js';
import type { GenerateSettings } from '../agent-options.js';
import type { Backend } from '../backends/backend.js';
import { backendNamed, isBackendName, withPrivateAddress } from '../backends/backends.js';
import { isCloudName } from '../backends/cloud-model.js';
import { isPrivateAddress } from '../backends/private-address.js';

/** What of a task may keep it from an agent. */
export type TaskLimits = Pick<TaskJson, 'backend' | 'local_only'>;

/**
 * A task forbids every model server that this agent could ask. It is no answer: another agent may have one
 * that it does not forbid, so the task is left pending.
 */
export class ForbiddenHere extends Error {
  override readonly name = 'ForbiddenHere';
}

/**
 * Why a task is none for this agent, to follow `left:`; null where it may be asked. A task that says
 * `local_only` goes to no address that is not private; with its `backend` it names the one that it allows.
 */
export function forbiddenHere(
  { backend, local_only }: TaskLimits,
  settings: GenerateSettings,
): string | null {
  if (local_only !== true) return null;
  // What no version here knows is answered as such.
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
 * hands the question on, which no server does that may not. Throws BackendError as `Backend` does.
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

/** The same for a standby, which also leaves what names a kind of model server that it has not. */
export function forbiddenToStandby(limits: TaskLimits, settings: GenerateSettings): string | null {
  const { backend } = limits;
  const isOther = backend !== undefined && !settings.order.some((name) => name === backend);
  return isOther ? `it is for ${backend} alone` : forbiddenHere(limits, settings);
}
