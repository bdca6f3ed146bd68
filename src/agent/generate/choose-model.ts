import type { GenerateSettings } from '../agent-options.js';
import type { Backend, ListedModel } from '../backends/backend.js';
import { backendError, elsewhereError } from '../backends/backend-failure.js';
import { backendNamed } from '../backends/backends.js';
import type { ModelPurpose } from '../backends/call-prompt.js';
import { isCloudName } from '../backends/cloud-model.js';
import { installedModels, withoutModel } from '../backends/name-models.js';
import { isPrivateAddress } from '../backends/private-address.js';

/** What of a task and of the agent's settings says which model is to answer. */
export interface ModelWish {
  /** The task's; it is never replaced. */
  readonly task: string | undefined;
  /** The agent's, for tasks that name none. */
  readonly agent: string | undefined;
  /**
   * Whether another backend may be asked as well. Then a backend that does not list the model is not asked
   * for it; a single backend is asked and says so in its own words.
   */
  readonly isElsewherePossible: boolean;
  /** Whether another model may replace the agent's, because the backend it is meant for is away. */
  readonly mayReplace: boolean;
  /** Whether the model must be in the backend's list, as that of a call must. Default: false. */
  readonly mustBeListed?: boolean;
  /**
   * Whether it has to run on this machine. Then another model replaces the agent's where that one does not.
   */
  readonly mustRunHere?: boolean;
  /** What it has to be able to do. Default: chat. */
  readonly purpose?: ModelPurpose;
}

/**
 * The model to ask `backend` for: the task's; else the agent's; else the best that can chat on this machine.
 * Throws `model_not_found` of the kind `elsewhere` where the backend does not list it, and `no_model` where
 * there is none to choose.
 */
export async function chooseModel(wish: ModelWish, backend: Backend, signal: AbortSignal): Promise<string> {
  const { purpose = 'chat', mustBeListed = false, mustRunHere = false } = wish;
  const wanted = wish.task ?? wish.agent;
  const isStrict = wish.task !== undefined || !(wish.mayReplace || mustRunHere);
  // The list is not read: the backend itself says whether it has the model. Its list may lack a cloud model
  // that it would pass on.
  const isSaidElsewhere = !wish.isElsewherePossible && !mustBeListed;
  if (wanted !== undefined && isStrict && (isSaidElsewhere || isCloudName(wanted))) return wanted;
  const listed = await backend.listModels(signal);
  const models = isStrict ? listed : listed.filter(({ isCloud }) => !(isCloud && mustRunHere));
  const { sameModel } = backendNamed(backend.name);
  if (wanted !== undefined) {
    const found = models.find(({ name }) => sameModel(wanted, name));
    if (found !== undefined) return isStrict ? wanted : found.name;
    if (isStrict) {
      const text = `model ${wanted} not found; ${installedModels(backend, models)}`;
      throw elsewhereError(backend, 'model_not_found', text);
    }
  }
  const best = bestModel(models, purpose);
  if (best !== null) return best.name;
  throw backendError(backend, 'no_model', `${withoutModel(models, purpose)}; try: ${backend.noModelRemedy}`);
}

/**
 * The model that answers where none is named: the first that can chat, or embed, and runs on this machine,
 * one in memory before the others; null where there is none.
 */
export function bestModel(
  models: readonly ListedModel[],
  purpose: ModelPurpose = 'chat',
): ListedModel | null {
  // A model that does not chat only makes embeddings.
  const isAble = ({ canChat, can }: ListedModel) =>
    purpose === 'chat' ? canChat : !canChat || can.includes('embed');
  const able = models.filter((model) => isAble(model) && !model.isCloud);
  return able.find(({ isLoaded }) => isLoaded) ?? able[0] ?? null;
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
