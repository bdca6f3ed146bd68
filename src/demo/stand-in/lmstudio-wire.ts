import type { ChatDialect } from './chat-completions-wire.js';
import { canChat, capabilitiesOf, DEFAULT_CONTEXT_LENGTH, type StandInModels } from './stand-in-models.js';
import { event, type Plain, plainJson, type ServerWords } from './wire.js';

/** How LM Studio speaks `/v1/chat/completions`. */
export const LMSTUDIO_CHAT: ChatDialect = {
  wire: 'lmstudio',
  refuseForm(body) {
    if (body === null) return plainJson(400, { error: 'Invalid request' });
    const { response_format } = body;
    if (response_format === undefined || ['json_schema', 'text'].includes(response_format.type)) return null;
    return plainJson(400, { error: "'response_format.type' must be 'json_schema' or 'text'" });
  },
  formatOf: (format) => format.json_schema?.schema,
  fingerprint: (turn) => turn.model,
  role: 'each',
  reasoning: 'reasoning_content',
  always: { logprobs: null },
  cutsCalls: true,
  hasChoices: false,
  error: (message = 'Model unloaded.') => event({ error: { message } }, 'error'),
};

/** LM Studio's list of models (`/v1/models`), and errors in its own words. */
export const lmstudioServer: ServerWords = {
  has: (models, model) => models.includes(model),
  list: (models) =>
    plainJson(200, {
      object: 'list',
      data: models.names.map((id) => ({ id, object: 'model', owned_by: 'organization_owner' })),
    }),
  refuse(refusal, request): Plain {
    switch (refusal.kind) {
      case 'http':
        return { contentType: 'application/json; charset=utf-8', ...refusal };
      case 'context-overflow':
        return plainJson(400, {
          error:
            'Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input',
        });
      case 'no-images':
        return plainJson(400, { error: 'Model does not support images. Please use a model that does.' });
      case 'cannot-chat':
        return plainJson(400, { error: `"${request.model}" does not support chat` });
      case 'busy':
        return { ...plainJson(503, { error: { message: 'Loading model', code: 503 } }), ...refusal };
      case 'crashed':
        return plainJson(400, {
          error: 'The model has crashed without additional information. (Exit code: 18446744072635812000)',
        });
      case 'out-of-memory':
        return plainJson(400, {
          error:
            'Model loading was stopped due to insufficient system resources. Under the current settings, this model requires approximately 22.92 GB of memory',
        });
      case 'no-model-loaded':
        return refusedModel(
          404,
          "No models loaded. Please load a model in the developer page or use the 'lms load' command.",
        );
      default:
        return refusedModel(404, `Model "${request.model}" not found. Please specify a valid model.`);
    }
  },
  overflow: (promptTokens, context) =>
    plainJson(400, {
      error: `Trying to keep the first ${promptTokens} tokens when context the overflows. However, the model is loaded with context length of only ${context} tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input`,
    }),
};

/** LM Studio's own API: `/api/v0/models`, of version 0.3.6 and later. */
export function describeModels(models: StandInModels): Plain {
  const data = models.all.map((model) => {
    const context = models.contextOf(model.name);
    return {
      id: model.name,
      object: 'model',
      type: canChat(model) ? (capabilitiesOf(model).includes('vision') ? 'vlm' : 'llm') : 'embeddings',
      state: context === null ? 'not-loaded' : 'loaded',
      max_context_length: model.contextLength ?? DEFAULT_CONTEXT_LENGTH,
      ...(context === null ? {} : { loaded_context_length: context }),
    };
  });
  return plainJson(200, { object: 'list', data });
}

function refusedModel(status: number, message: string): Plain {
  const error = { message, type: 'invalid_request_error', param: 'model', code: 'model_not_found' };
  return plainJson(status, { error });
}
