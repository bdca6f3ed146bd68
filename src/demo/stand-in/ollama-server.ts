import * as z from 'zod';
import {
  canChat,
  capabilitiesOf,
  DEFAULT_CONTEXT_LENGTH,
  type StandInModel,
  type StandInModels,
} from './stand-in-models.js';
import { NO_IMAGES, type Plain, plainJson, type ServerWords } from './wire.js';

const nameSchema = z.object({ model: z.string() });

/** Ollama's models, and its refusals as its own API says them: https://docs.ollama.com/api. */
export const ollamaServer: ServerWords = {
  has: (models, model) => models.some((one) => tagged(one) === tagged(model)),
  list: (models, startedAtMs, isOld) =>
    plainJson(200, {
      models: models.all.map((model) => ({
        name: model.name,
        model: model.name,
        ...remoteOf(model),
        modified_at: new Date(startedAtMs).toISOString(),
        size: 1,
        digest: `digest of ${model.name}`,
        ...(isOld ? {} : listedOf(model)),
      })),
    }),
  refuse(refusal, request): Plain {
    switch (refusal.kind) {
      case 'http':
        return { contentType: 'application/json; charset=utf-8', ...refusal };
      case 'context-overflow':
        return plainJson(400, { error: 'the input length exceeds the context length' });
      case 'no-images':
        return ofEngine(500, { code: 500, message: NO_IMAGES, type: 'server_error' });
      case 'cannot-chat':
        return plainJson(400, { error: `"${request.model}" does not support chat` });
      case 'busy': {
        const error = 'server busy, please try again.  maximum pending requests exceeded';
        return { ...plainJson(503, { error }), ...refusal };
      }
      case 'crashed':
        return plainJson(500, { error: 'llama runner process has terminated: exit status 2' });
      case 'out-of-memory':
        return plainJson(500, {
          error: 'llama runner process has terminated: cudaMalloc failed: out of memory',
        });
      default:
        return plainJson(404, { error: `model '${request.model}' not found` });
    }
  },
  // Ollama repeats what llama-server says: JSON in the text of an error.
  overflow(promptTokens, context) {
    const message = `request (${promptTokens} tokens) exceeds the available context size (${context} tokens), try increasing it`;
    const type = 'exceed_context_size_error';
    return ofEngine(400, { code: 400, message, type, n_prompt_tokens: promptTokens, n_ctx: context });
  },
};

/** An error of the llama-server behind Ollama: JSON in the text of an error. */
function ofEngine(status: number, error: object): Plain {
  return plainJson(status, { error: JSON.stringify({ error }) });
}

/** `/api/show`: one model. Old versions say no capabilities there. */
export function showModel(models: StandInModels, body: unknown, isOld: boolean): Plain {
  const read = nameSchema.safeParse(body);
  if (!read.success) return plainJson(400, { error: 'model is required' });
  const model = models.all.find((one) => tagged(one.name) === tagged(read.data.model));
  if (model === undefined) {
    // Here Ollama names the tag as well; where a model is asked it does not.
    return plainJson(404, { error: `model '${tagged(read.data.model)}' not found` });
  }
  const isEncoder = !canChat(model);
  return plainJson(200, {
    ...remoteOf(model),
    model_info: {
      'general.architecture': isEncoder ? 'nomic-bert' : 'llama',
      [`${isEncoder ? 'nomic-bert' : 'llama'}.context_length`]: model.contextLength ?? DEFAULT_CONTEXT_LENGTH,
    },
    ...(isOld ? {} : { capabilities: capabilitiesOf(model) }),
  });
}

/** `/api/ps`: the models in memory. Old versions do not say the context of each. */
export function listLoaded(models: StandInModels, isOld: boolean): Plain {
  const loaded = models.names.flatMap((name) => {
    const context = models.contextOf(name);
    if (context === null) return [];
    return [{ name, model: name, ...(isOld ? {} : { context_length: context }) }];
  });
  return plainJson(200, { models: loaded });
}

/** What the list says of a model, which is not read as `/api/show` reads it. */
function listedOf(model: StandInModel): object {
  if (model.isMadeHere) return { details: {}, capabilities: ['completion'] };
  return {
    details: { context_length: model.contextLength ?? DEFAULT_CONTEXT_LENGTH },
    capabilities: capabilitiesOf(model),
  };
}

function remoteOf({ name, remoteHost }: StandInModel): { remote_host?: string; remote_model?: string } {
  if (remoteHost === undefined) return {};
  return { remote_host: remoteHost, remote_model: name.replace(/[-:]cloud$/, '') };
}

/** A model name without a tag means the tag `latest`; case and the usual registry do not count. */
function tagged(model: string): string {
  const lower = model.toLowerCase().replace(/^registry\.ollama\.ai\/library\//, '');
  return lower.includes(':') ? lower : `${lower}:latest`;
}
