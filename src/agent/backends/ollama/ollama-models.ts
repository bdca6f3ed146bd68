import * as z from 'zod';
import type { ListedModel } from '../backend.js';
import { backendError } from '../backend-failure.js';
import type { BackendMemory } from '../backend-memory.js';
import type { CalledBackend } from '../called-backend.js';
import { isCloudName, refuseCloudModel } from '../cloud-model.js';
import { OLLAMA } from './ollama.js';
import {
  ignoreRefusal,
  type LoadedModel,
  readLoaded,
  readTags,
  type Server,
  type Shown,
  show,
  type Tagged,
} from './ollama-calls.js';

/** What has to be known of a model before it is asked. */
export interface ModelFacts {
  /** The longest context it was made for, in tokens; null where nobody says. */
  readonly longestContext: number | null;
  /** As it is in memory; null where it is not. */
  readonly loaded: LoadedModel | null;
}

/** Lists the models of `/api/tags`, with what is known of each. */
export async function listOllamaModels(
  about: CalledBackend,
  memory: BackendMemory,
  signal: AbortSignal,
): Promise<ListedModel[]> {
  const server: Server = { about, signal };
  const [tags, loaded] = await Promise.all([readTags(server), readLoaded(server)]);
  const models: ListedModel[] = [];
  for (const model of tags) {
    const isCloud = isElsewhere(about, model.name) || isRemote(model);
    const isLoaded = loaded.some(({ name }) => OLLAMA.sameModel(model.name, name));
    // Nobody is asked about a cloud model: `/api/show` would ask the cloud.
    const known = isCloud ? abilitiesOf(model) : await lookUpAbilities(server, model, memory);
    const { can, canChat } = isCloud ? { ...known, canChat: true } : known;
    models.push({ name: model.name, canChat, can, isCloud, isLoaded });
  }
  return models;
}

/**
 * Looks a model up before it is asked, by the server's own rules for names and aliases. Throws BackendError:
 * `cloud_model` where it runs elsewhere and `allowCloud` is false, `model_cannot_chat`, `model_not_found`.
 */
export async function inspectOllamaModel(
  about: CalledBackend,
  model: string,
  allowCloud: boolean,
  signal: AbortSignal,
  purpose: 'chat' | 'embed' = 'chat',
): Promise<ModelFacts> {
  if (isElsewhere(about, model)) {
    // Not even its name is sent on: the server would ask the cloud about it.
    if (allowCloud) return NOTHING_KNOWN;
    const why = isCloudName(model) ? 'its name is that of a cloud model' : `${about.url} is the cloud`;
    refuseCloudModel(about, model, why);
  }
  const server: Server = { about, signal };
  const [shown, loaded] = await Promise.all([show(server, model), readLoaded(server)]);
  if (isRemote(shown)) {
    if (allowCloud) return NOTHING_KNOWN;
    const { remote_model, remote_host } = shown;
    refuseCloudModel(about, model, `it is ${remote_model || 'a model'} of ${remote_host || 'elsewhere'}`);
  }
  if (purpose === 'chat' && !chats(shown)) {
    const made = shown.capabilities?.length ? shown.capabilities.join(', ') : 'embedding';
    throw backendError(about, 'model_cannot_chat', `${model} cannot chat; it is made for: ${made}`);
  }
  return {
    longestContext: longestContextOf(shown),
    loaded: loaded.find(({ name }) => OLLAMA.sameModel(model, name)) ?? null,
  };
}

const NOTHING_KNOWN: ModelFacts = { longestContext: null, loaded: null };

type Abilities = Pick<ListedModel, 'can' | 'canChat'>;

/**
 * What a model can do. Where the list does not know it, each model is looked up once. For its list Ollama
 * 0.33.0 reads a model's file up to the keys of the tokenizer, and `ollama create` may have put the
 * architecture's name behind its other keys. Then the list has no context, and says that an embedder chats.
 */
async function lookUpAbilities(server: Server, model: Tagged, memory: BackendMemory): Promise<Abilities> {
  const isReadWhole = model.details?.context_length !== undefined;
  if (isReadWhole && model.capabilities?.length) return abilitiesOf(model);
  const key = model.digest ?? model.name;
  const known = memory.abilities.get(key);
  if (known !== undefined) return known;
  const shown = await show(server, model.name).catch(ignoreRefusal);
  // One model that is broken, or gone by now, must not cost the whole list.
  if (shown === null) return { can: [], canChat: true };
  const abilities = abilitiesOf(shown);
  memory.abilities.set(key, abilities);
  return abilities;
}

/** Ollama's words for what we say, in our order. */
const ABILITY_WORDS = [
  ['completion', 'chat'],
  ['embedding', 'embed'],
  ['tools', 'tools'],
  ['vision', 'vision'],
] as const;

/** `canChat` is true unless the server says otherwise; `can` has only what the server says. */
function abilitiesOf(shown: Pick<Shown, 'capabilities' | 'model_info'>): Abilities {
  const said = shown.capabilities ?? [];
  const can = ABILITY_WORDS.flatMap(([word, ability]) => (said.includes(word) ? [ability] : []));
  return { can, canChat: chats(shown) };
}

/** Without capabilities the architecture tells: only encoders (BERT and its kin) have a way of pooling. */
function chats({ capabilities, model_info }: Pick<Shown, 'capabilities' | 'model_info'>): boolean {
  if (capabilities?.length) return capabilities.includes('completion');
  const info = model_info ?? {};
  if (/bert/i.test(String(info['general.architecture'] ?? ''))) return false;
  return !Object.keys(info).some((key) => key.endsWith('.pooling_type'));
}

function longestContextOf({ model_info }: Shown): number | null {
  const info = model_info ?? {};
  // The model's part for images may have a length of its own.
  const named = info[`${String(info['general.architecture'])}.context_length`];
  const any = Object.entries(info).find(([key]) => key.endsWith('.context_length'))?.[1];
  const length = z
    .int()
    .min(1)
    .safeParse(named ?? any);
  return length.success ? length.data : null;
}

function isRemote({ remote_host, remote_model }: Pick<Shown, 'remote_host' | 'remote_model'>): boolean {
  return Boolean(remote_host) || Boolean(remote_model);
}

/** Known without asking: a cloud model by its name, or the cloud by its address. */
function isElsewhere({ url }: Pick<CalledBackend, 'url'>, model: string): boolean {
  return isCloudName(model) || /(?:^|\.)ollama\.com$/i.test(new URL(url).hostname);
}
