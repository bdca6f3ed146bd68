import * as z from 'zod';
import type { Ability } from '../../../protocol/models.js';
import { BackendError, type GenerateRequest, type ListedModel } from '../backend.js';
import { backendError } from '../backend-failure.js';
import type { V1Server } from '../chat-completions.js';
import { isCloudName, refuseCloudModel } from '../cloud-model.js';
import { isEmbeddingName } from '../embedding-name.js';
import type { FixedContext } from '../fixed-context.js';
import { getJson } from '../get-json.js';
import { isPrivateAddress } from '../private-address.js';
import { OPENAI } from './openai.js';

const count = z.int().min(1).optional().catch(undefined);

/** `/v1/models`, with what the servers add to a model. */
const modelSchema = z.object({
  id: z.string(),
  owned_by: z.string().optional().catch(undefined),
  /** llama.cpp: other names of it. */
  aliases: z.array(z.string()).optional().catch(undefined),
  /**
   * llama.cpp: the context of a request, the context it was trained with, and the kind of its tokens. Null
   * while a router has not loaded it.
   */
  meta: z.object({ n_ctx: count, n_ctx_train: count, vocab_type: count }).nullish().catch(undefined),
  /** llama.cpp with several models. */
  status: z.object({ value: z.string() }).optional().catch(undefined),
  architecture: z
    .object({ input_modalities: z.array(z.string()) })
    .optional()
    .catch(undefined),
  /** vLLM. */
  max_model_len: count,
});
const listSchema = z.object({
  data: z.array(modelSchema),
  /** llama.cpp with one model says here, in Ollama's form, whether it takes images. */
  models: z
    .array(z.object({ capabilities: z.array(z.string()) }))
    .optional()
    .catch(undefined),
});
type Entry = z.infer<typeof modelSchema>;

/** A model of such a server. */
export interface OpenaiModel extends ListedModel, FixedContext {
  /** All its names. Its answers name it by one of them, whichever it was asked by. */
  readonly names: readonly string[];
  /** It is KoboldCpp's, which leaves out the beginning of a prompt that does not fit, and counts nothing. */
  readonly isCutInSilence: boolean;
}

/** Lists the models of the server. A model with several names is listed once for each. */
export async function listOpenaiModels(server: V1Server, signal: AbortSignal): Promise<OpenaiModel[]> {
  const read = listSchema.safeParse(await getJson(server, `${server.url}/models`, signal));
  if (!read.success) throw backendError(server, 'backend_error', 'sent a list of models that cannot be read');
  const isElsewhere = !isPrivateAddress(server.url);
  const [single] = read.data.models ?? [];
  const isSeeing = single?.capabilities.includes('multimodal') ?? false;
  return read.data.data.flatMap((entry) => {
    const names = [...new Set([entry.id, ...(entry.aliases ?? [])])];
    return names.map((name) => ({
      ...describe(name, entry, isElsewhere),
      can: abilitiesOf(name, entry, isSeeing),
      names,
    }));
  });
}

function describe(name: string, entry: Entry, isElsewhere: boolean): Omit<OpenaiModel, 'can' | 'names'> {
  const { meta, max_model_len, status, owned_by } = entry;
  const context = meta?.n_ctx ?? max_model_len ?? null;
  const isKobold = owned_by === 'koboldcpp';
  // Where the server does not say it: servers that tell a context, and KoboldCpp, list what is in memory.
  const isLoaded =
    status === undefined ? context !== null || isKobold || meta != null : status.value === 'loaded';
  return {
    name,
    canChat: !isEmbedder(name, entry),
    isCloud: isElsewhere || isCloudName(name),
    isLoaded,
    context,
    longestContext: meta?.n_ctx_train ?? null,
    isCutInSilence: isKobold,
  };
}

/** `LLAMA_VOCAB_TYPE_WPM` of llama.cpp: pieces of words, which only BERT and models like it have. */
const WORD_PIECES = 3;

/** Whether a model only makes embeddings. llama.cpp says of those too that they complete. */
function isEmbedder(name: string, { owned_by, meta }: Entry): boolean {
  return isEmbeddingName(name) || (owned_by === 'llamacpp' && meta?.vocab_type === WORD_PIECES);
}

/** What a model can do. Only llama.cpp says it. */
function abilitiesOf(name: string, entry: Entry, isSeeing: boolean): Ability[] {
  if (entry.owned_by !== 'llamacpp' || isEmbedder(name, entry)) return [];
  const takesImages = entry.architecture?.input_modalities.includes('image') ?? isSeeing;
  return takesImages ? ['chat', 'vision'] : ['chat'];
}

/**
 * Looks a model up before it is asked. A server of one model answers to any name, so a model that is not
 * listed is not asked. Throws BackendError: `cloud_model` where it runs elsewhere and `allowCloud` is false,
 * `model_cannot_chat`, `model_not_found`.
 */
export async function inspectOpenaiModel(
  server: V1Server,
  model: string,
  allowCloud: boolean,
  signal: AbortSignal,
  purpose: 'chat' | 'embed' = 'chat',
): Promise<OpenaiModel> {
  if (!allowCloud) {
    const { host } = new URL(server.url);
    if (!isPrivateAddress(server.url)) refuseCloudModel(server, model, `${host} is no private address`);
    // Behind the address may be Ollama, with its cloud models.
    if (isCloudName(model)) refuseCloudModel(server, model, 'its name is that of a cloud model');
  }
  const models = await listOpenaiModels(server, signal);
  const found =
    models.find(({ name }) => name === model) ?? models.find(({ name }) => OPENAI.sameModel(model, name));
  if (found === undefined) throw backendError(server, 'model_not_found', `model ${model} not found`);
  if (purpose === 'chat' && !found.canChat) {
    throw backendError(server, 'model_cannot_chat', `${model} cannot chat; it is made for: embedding`);
  }
  return found.context !== null ? found : { ...found, context: await contextOf(server, found, signal) };
}

/** `/props` of llama.cpp, from before its list of models told the context. */
const propsSchema = z.object({ default_generation_settings: z.object({ n_ctx: z.int().min(1) }) });

const valueSchema = z.object({ value: z.int().min(1) });

/** The context where the list does not say it; null where nobody does. */
async function contextOf(server: V1Server, model: OpenaiModel, signal: AbortSignal): Promise<number | null> {
  if (model.isCutInSilence) {
    const said = await ask(server, '/api/extra/true_max_context_length', signal);
    return valueSchema.safeParse(said).data?.value ?? null;
  }
  if (!model.isLoaded) return null;
  const props = propsSchema.safeParse(await ask(server, '/props', signal));
  return props.data?.default_generation_settings.n_ctx ?? null;
}

/**
 * KoboldCpp's own count of a prompt: of its text, without the few tokens that a template puts around each
 * message. Null where it does not say.
 */
export async function countTokens(
  server: V1Server,
  { messages }: Pick<GenerateRequest, 'messages'>,
  signal: AbortSignal,
): Promise<number | null> {
  const prompt = messages.map(({ content }) => content).join('\n');
  return (
    valueSchema.safeParse(await ask(server, '/api/extra/tokencount', signal, { prompt })).data?.value ?? null
  );
}

/** Asks for a path that stands beside `/v1`; null where the server has no such path. */
async function ask(server: V1Server, path: string, signal: AbortSignal, body?: unknown): Promise<unknown> {
  const root = server.url.replace(/\/v1$/, '');
  return await getJson(server, `${root}${path}`, signal, body).catch((error: unknown) => {
    if (error instanceof BackendError && error.code !== 'backend_unreachable') return null;
    throw error;
  });
}
