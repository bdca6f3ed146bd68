import { type Backend, BackendError, type ListedModel } from '../backends/backend.js';
import { backendError } from '../backends/backend-failure.js';
import { backendNamed } from '../backends/backends.js';
import { isCloudName } from '../backends/cloud-model.js';

/** A backend does not list the model that is to answer; another one may. */
export class MissingModel extends BackendError {
  constructor(backend: Backend, wanted: string, models: readonly ListedModel[]) {
    const text = `model ${wanted} not found; ${listOf(backend, models)}`;
    super('model_not_found', backendError(backend, 'model_not_found', text).message);
  }
}

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

/** What a model is chosen for. */
export type ModelPurpose = 'chat' | 'embed';

/** The part of the wish that depends on the attempt. */
export function wishOf({
  isAlone,
  mayReplace,
}: {
  readonly isAlone: boolean;
  readonly mayReplace: boolean;
}): Pick<ModelWish, 'isElsewherePossible' | 'mayReplace'> {
  return { isElsewherePossible: !isAlone, mayReplace };
}

/**
 * The model to ask `backend` for: the task's; else the agent's; else the best that can chat on this machine.
 * Throws MissingModel where the backend does not have it and another one may, and BackendError `no_model`
 * where there is none to choose.
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
    if (isStrict) throw new MissingModel(backend, wanted, models);
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

/** Why none of these models answers, for a sentence: none is there, or none that can. */
export function withoutModel(models: readonly ListedModel[], purpose: ModelPurpose = 'chat'): string {
  if (models.length === 0) return 'no model is installed';
  return `no model that can ${purpose} is installed; there is ${nameModels(models)}`;
}

/** How many models a message names. */
const MAX_NAMED = 20;

/** The names of models for a message. One that is not chosen by itself comes with the reason. */
export function nameModels(models: readonly ListedModel[], max = MAX_NAMED): string {
  const names = models.slice(0, max).map(({ name, canChat, isCloud }) => {
    if (isCloud) return `${name} (cloud)`;
    return canChat ? name : `${name} (cannot chat)`;
  });
  const more = models.length > max ? ` and ${models.length - max} more` : '';
  return `${names.join(', ')}${more}`;
}

function listOf(backend: Backend, models: readonly ListedModel[]): string {
  return models.length === 0
    ? `no model is installed; try: ${backend.noModelRemedy}`
    : `installed: ${nameModels(models)}`;
}

/**
 * Adds which models there are to an error `model_not_found` or `model_cannot_chat`; returns any other error
 * as it is.
 */
export async function withInstalledModels(
  error: unknown,
  backend: Backend,
  signal: AbortSignal,
): Promise<unknown> {
  if (!(error instanceof BackendError)) return error;
  if (error.code !== 'model_not_found' && error.code !== 'model_cannot_chat') return error;
  const installed = await backend.listModels(signal).catch(() => null);
  if (installed === null) return error;
  return new BackendError(error.code, `${error.message}; ${listOf(backend, installed)}`, { cause: error });
}
