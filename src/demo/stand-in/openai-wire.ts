import type { ChatDialect } from './chat-completions-wire.js';
import {
  canChat,
  capabilitiesOf,
  DEFAULT_CONTEXT_LENGTH,
  DEFAULT_LOADED_CONTEXT,
  type StandInModel,
  type StandInModels,
} from './stand-in-models.js';
import { event, NO_IMAGES, type Plain, plainJson, type ServerWords } from './wire.js';

/** How llama.cpp's server speaks `/v1/chat/completions`. */
export const OPENAI_CHAT: ChatDialect = {
  wire: 'openai',
  refuseForm(body) {
    if (body === null) return refused(400, 'invalid_request_error', "'messages' is required");
    const type = body.response_format?.type ?? 'text';
    if (['json_object', 'json_schema', 'text'].includes(type)) return null;
    const text = `response_format type must be one of "text" or "json_object", but got: ${type}`;
    return refused(400, 'invalid_request_error', text);
  },
  formatOf: (format) => (format.type === 'json_object' ? 'json' : format.json_schema?.schema),
  fingerprint: () => 'b0-stand-in',
  role: 'alone',
  reasoning: 'reasoning_content',
  always: {},
  cutsCalls: true,
  hasChoices: true,
  error: (message = 'Compute error.') => event({ error: { code: 500, message, type: 'server_error' } }),
};

/**
 * llama.cpp's server (`/v1/models`, `/props`, refusals); `test/real` checks it against the real one. Errors
 * that llama.cpp does not have come in the words of other servers of its API: no model from Jan, a crash
 * from LocalAI, no memory from vLLM.
 */
export const openaiServer: ServerWords = {
  has: (models, model) => models.includes(model),
  answersToAny: true,
  list: (models, startedAtMs, isOld) =>
    plainJson(200, {
      models: models.all.map((model) => ({ name: model.name, capabilities: capabilitiesOfServer(model) })),
      object: 'list',
      data: models.all.map((model) => ({
        id: model.name,
        object: 'model',
        created: Math.floor(startedAtMs / 1000),
        owned_by: 'llamacpp',
        meta: {
          ...(isOld ? {} : { n_ctx: contextOf(models, model.name) }),
          n_ctx_train: model.contextLength ?? DEFAULT_CONTEXT_LENGTH,
          vocab_type: canChat(model) ? 1 : 3,
        },
      })),
    }),
  refuse(refusal, request): Plain {
    switch (refusal.kind) {
      case 'http':
        return { contentType: 'application/json; charset=utf-8', ...refusal };
      case 'context-overflow':
        return openaiServer.overflow(15_857, DEFAULT_LOADED_CONTEXT);
      case 'no-images':
        return refused(500, 'server_error', NO_IMAGES);
      case 'cannot-chat':
        return refused(
          500,
          'server_error',
          'the current context does not support logits computation. skipping',
        );
      case 'busy':
        return { ...refused(503, 'unavailable_error', 'Loading model'), ...refusal };
      case 'crashed':
        return refused(500, '', 'rpc error: code = Unavailable desc = error reading from server: EOF');
      case 'out-of-memory':
        return refused(500, 'InternalServerError', 'CUDA out of memory. Tried to allocate 2.00 GiB.');
      case 'no-model-loaded':
        return { status: 503, body: 'No models are available', contentType: 'text/plain' };
      default:
        return refused(400, 'invalid_request_error', `model '${request.model}' not found`);
    }
  },
  overflow(promptTokens, context) {
    const message = `request (${promptTokens} tokens) exceeds the available context size (${context} tokens), try increasing it`;
    const type = 'exceed_context_size_error';
    const error = { code: 400, message, type, n_prompt_tokens: promptTokens, n_ctx: context };
    return plainJson(400, { error });
  },
};

/** `/props`, for the first model, as a server of one model has it. */
export function describeServer(models: StandInModels): Plain {
  const [model] = models.all;
  if (model === undefined) return refused(503, 'unavailable_error', 'Loading model');
  return plainJson(200, {
    default_generation_settings: { n_ctx: contextOf(models, model.name) },
    total_slots: 1,
    model_alias: model.name,
    modalities: { vision: capabilitiesOf(model).includes('vision'), audio: false },
  });
}

/** The refusal of a request without the key that the server was started with. */
export const OPENAI_REFUSED_KEY = refused(401, 'authentication_error', 'Invalid API Key');

/** llama.cpp says of every model that it completes, and beside that only whether it takes more than text. */
function capabilitiesOfServer(model: StandInModel): string[] {
  return capabilitiesOf(model).includes('vision') ? ['completion', 'multimodal'] : ['completion'];
}

/** A model is in memory as soon as the server answers. */
function contextOf(models: StandInModels, name: string): number {
  return models.contextOf(name) ?? DEFAULT_LOADED_CONTEXT;
}

/** A refusal in llama.cpp's form. */
export function refused(code: number, type: string, message: string): Plain {
  return plainJson(code, { error: { code, message, type } });
}
