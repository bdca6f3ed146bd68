import type { TaskJson } from '../../protocol/task.js';
import { type Backend, BackendError } from '../backends/backend.js';
import { backendError } from '../backends/backend-failure.js';
import { sameLmstudioModel, sameOllamaModel } from '../backends/same-model.js';
import type { GenerateSettings } from './generate-settings.js';

/**
 * The model to ask `backend` for: the task's own, as it is; else the one of the settings; else the first the backend
 * lists. The model of the settings is meant for the first backend of the order, so on another one that lacks it the first
 * listed stands in; a task's model is never replaced. Throws BackendError `no_model` where none is listed.
 */
export async function chooseModel(
  task: TaskJson,
  settings: Pick<GenerateSettings, 'model' | 'order'>,
  backend: Backend,
  signal: AbortSignal,
): Promise<string> {
  if (task.model !== undefined) return task.model;
  if (settings.model !== undefined && settings.order[0] === backend.name) return settings.model;
  const installed = await backend.listModels(signal);
  const same = backend.name === 'ollama' ? sameOllamaModel : sameLmstudioModel;
  const wanted = settings.model;
  const found = wanted === undefined ? undefined : installed.find((model) => same(wanted, model));
  const model = found ?? installed[0];
  if (model !== undefined) return model;
  throw backendError(backend, 'no_model', `no model is installed; try: ${backend.noModelRemedy}`);
}

/** How many installed models a message names. */
const MAX_LISTED = 20;

/** Adds to an error `model_not_found` which models there are; gives any other error back as it is. */
export async function withInstalledModels(
  error: unknown,
  backend: Backend,
  signal: AbortSignal,
): Promise<unknown> {
  if (!(error instanceof BackendError) || error.code !== 'model_not_found') return error;
  const installed = await backend.listModels(signal).catch(() => null);
  if (installed === null) return error;
  const more = installed.length > MAX_LISTED ? ` and ${installed.length - MAX_LISTED} more` : '';
  const list =
    installed.length === 0
      ? `no model is installed; try: ${backend.noModelRemedy}`
      : `installed: ${installed.slice(0, MAX_LISTED).join(', ')}${more}`;
  return new BackendError('model_not_found', `${error.message}; ${list}`, { cause: error });
}
