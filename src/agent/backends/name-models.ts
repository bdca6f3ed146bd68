import type { Backend, ListedModel } from './backend.js';
import type { ModelPurpose } from './call-prompt.js';

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

/** Which models a backend has, for the end of a message; what to do where it has none. */
export function installedModels(
  backend: Pick<Backend, 'noModelRemedy'>,
  models: readonly ListedModel[],
): string {
  return models.length === 0
    ? `no model is installed; try: ${backend.noModelRemedy}`
    : `installed: ${nameModels(models)}`;
}

/** Why none of these models answers, for a sentence: none is there, or none that can. */
export function withoutModel(models: readonly ListedModel[], purpose: ModelPurpose = 'chat'): string {
  if (models.length === 0) return 'no model is installed';
  return `no model that can ${purpose} is installed; there is ${nameModels(models)}`;
}
