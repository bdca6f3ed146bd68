import * as z from 'zod';
import type { Ability } from '../../../protocol/models.js';
import { BackendError, type ListedModel } from '../backend.js';
import { backendError } from '../backend-failure.js';
import type { V1Server } from '../chat-completions.js';
import { isCloudName, refuseCloudModel } from '../cloud-model.js';
import { isEmbeddingName } from '../embedding-name.js';
import type { FixedContext } from '../fixed-context.js';
import { getJson } from '../get-json.js';
import { LMSTUDIO } from './lmstudio.js';

/**
 * `/v1/models`: the models that can be asked. All of them where models are loaded on demand, else the loaded
 * ones.
 */
const listSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

const count = z.int().min(1).optional().catch(undefined);

/** `/api/v0/models`: what each model is. LM Studio has it since 0.3.6. */
const detailsSchema = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      type: z.string().optional(),
      /** `tool_use`; said since 0.3.16. */
      capabilities: z.array(z.string()).optional().catch(undefined),
      state: z.string().optional(),
      loaded_context_length: count,
      max_context_length: count,
    }),
  ),
});
type Details = z.infer<typeof detailsSchema>['data'][number];

/** A model of LM Studio. */
export type LmstudioModel = ListedModel & FixedContext;

/** Lists the models of LM Studio, with what is known of each. */
export async function listLmstudioModels(about: V1Server, signal: AbortSignal): Promise<LmstudioModel[]> {
  const [said, details] = await Promise.all([
    getJson(about, `${about.url}/models`, signal),
    readDetails(about, signal),
  ]);
  const list = listSchema.safeParse(said);
  if (!list.success) throw backendError(about, 'backend_error', 'sent a list of models that cannot be read');
  return list.data.data.map(({ id }) => {
    return describe(
      id,
      details.find((one) => one.id === id),
    );
  });
}

/**
 * Looks a model up before it is asked. Null where the list has none of this name: `generate` asks LM Studio
 * all the same, which says so in its own words. Throws BackendError: `cloud_model` where it runs elsewhere
 * and `allowCloud` is false, `model_cannot_chat`.
 */
export async function inspectLmstudioModel(
  about: V1Server,
  model: string,
  allowCloud: boolean,
  signal: AbortSignal,
  purpose: 'chat' | 'embed' = 'chat',
): Promise<LmstudioModel | null> {
  // Behind the address may be another server that speaks this API: Ollama does, with its cloud models.
  if (isCloudName(model) && !allowCloud) {
    refuseCloudModel(about, model, 'its name is that of a cloud model');
  }
  const models = await listLmstudioModels(about, signal);
  const found =
    models.find(({ name }) => name === model) ?? models.find(({ name }) => LMSTUDIO.sameModel(model, name));
  if (purpose === 'chat' && found?.canChat === false) {
    throw backendError(about, 'model_cannot_chat', `${model} cannot chat; it is made for: embedding`);
  }
  return found ?? null;
}

/** A server without these details answers with 404, or with 200 and an error. */
async function readDetails(about: V1Server, signal: AbortSignal): Promise<Details[]> {
  if (!about.url.endsWith('/v1')) return [];
  const url = `${about.url.slice(0, -'/v1'.length)}/api/v0/models`;
  const said = await getJson(about, url, signal).catch((error: unknown) => {
    if (error instanceof BackendError && error.code !== 'backend_unreachable') return null;
    throw error;
  });
  const read = detailsSchema.safeParse(said);
  return read.success ? read.data.data : [];
}

function describe(id: string, details: Details | undefined): LmstudioModel {
  const isLoaded = details?.state === 'loaded';
  return {
    name: id,
    canChat: details?.type === undefined ? !isEmbeddingName(id) : details.type !== 'embeddings',
    can: abilitiesOf(details),
    isCloud: isCloudName(id),
    isLoaded,
    context: isLoaded ? (details.loaded_context_length ?? null) : null,
    longestContext: details?.max_context_length ?? null,
  };
}

/** What its type says, in our words; nothing for a server without details. */
function abilitiesOf(details: Details | undefined): Ability[] {
  const { type, capabilities = [] } = details ?? {};
  if (type === 'embeddings') return ['embed'];
  if (type !== 'llm' && type !== 'vlm') return [];
  const tools: Ability[] = capabilities.includes('tool_use') ? ['tools'] : [];
  return ['chat', ...tools, ...(type === 'vlm' ? (['vision'] as const) : [])];
}
