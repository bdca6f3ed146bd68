import { timeLimit } from '../../process/time-limit.js';
import type { OfferedModel } from '../../protocol/models.js';
import type { GenerateSettings } from '../agent-options.js';
import type { ListedModel } from './backend.js';
import { openBackends } from './backends.js';

/** What the model servers of an agent have to offer. */
export interface Offer {
  /** The model servers that answered. */
  readonly backends: readonly string[];
  /** Those that did not. */
  readonly silent: readonly string[];
  /** The models of those that answered. */
  readonly models: readonly OfferedModel[];
  /** The names of those that chat, as far as anybody knows. */
  readonly chatModels: readonly string[];
  /** The names of those in memory. */
  readonly loaded: readonly string[];
  /** Whether all answered, and not one of their models runs there: each passes on what it is asked. */
  readonly isCloudOnly: boolean;
}

/**
 * A model server on this machine lists its models at once. One that takes longer counts as away.
 * Milliseconds.
 */
const LIST_TIMEOUT_MS = 2_000;

/** Asks the model servers what they have. Never throws for one that does not answer. */
export async function readOffer(settings: GenerateSettings, signal: AbortSignal): Promise<Offer> {
  const backends = await openBackends(settings.order, settings);
  const asked = await Promise.all(
    backends.map(async (backend) => {
      const within = timeLimit(LIST_TIMEOUT_MS, signal);
      const models = await backend.listModels(within).catch(() => null);
      const mayAsk = ({ isCloud }: ListedModel) => !isCloud || settings.allowCloud === true;
      return { name: backend.name, models: models?.filter(mayAsk) ?? null };
    }),
  );
  const models = asked.flatMap(({ name: backend, models }) =>
    (models ?? []).map((model) => ({ backend, model })),
  );
  const names = (filter: (model: ListedModel) => boolean) => [
    ...new Set(models.filter(({ model }) => filter(model)).map(({ model }) => model.name)),
  ];
  const namesOf = (hasAnswered: boolean) => [
    ...new Set(asked.filter((one) => (one.models !== null) === hasAnswered).map(({ name }) => name)),
  ];
  return {
    backends: namesOf(true),
    silent: namesOf(false),
    models: models.map(({ backend, model }) => ({ name: model.name, backend, can: [...model.can] })),
    chatModels: names(({ canChat }) => canChat),
    loaded: names(({ isLoaded }) => isLoaded),
    isCloudOnly:
      models.length > 0 &&
      asked.every((one) => one.models !== null) &&
      models.every(({ model }) => model.isCloud),
  };
}

/** Equal for the same models in any order. */
export function offeredKey(models: readonly OfferedModel[]): string {
  return JSON.stringify(models.map(({ name, backend, can }) => JSON.stringify([backend, name, can])).sort());
}

/**
 * Whether two offers tell others the same. Which models are in memory does not count: the next presence says
 * it anyway.
 */
export function isSameOffer(a: Offer | null, b: Offer): boolean {
  const key = (one: Offer) => JSON.stringify([one.backends, one.chatModels, offeredKey(one.models)]);
  return a !== null && key(a) === key(b);
}
