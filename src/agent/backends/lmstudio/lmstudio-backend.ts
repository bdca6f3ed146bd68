import type { TaskFormat } from '../../../protocol/task.js';
import type { Backend, BackendSettings } from '../backend.js';
import { backendError } from '../backend-failure.js';
import { countsWholePrompt, promptOf, purposeOf } from '../call-prompt.js';
import { calledBackend } from '../called-backend.js';
import { generateByChatCompletions } from '../chat-completions.js';
import { chatParams, type ResponseFormat } from '../chat-completions-request.js';
import { isCloudName } from '../cloud-model.js';
import { withinFixedContext } from '../fixed-context.js';
import { type ModelRules, modelCheck } from '../model-check.js';
import { sendV1Call } from '../v1-call.js';
import { LMSTUDIO } from './lmstudio.js';
import { inspectLmstudioModel, listLmstudioModels } from './lmstudio-models.js';

/**
 * LM Studio, by the official OpenAI client: `/v1/chat/completions`, streamed. Before each of them the model
 * is looked up, so that none is asked that may not be. `url` as `parseLmstudioUrl` takes it; throws
 * BridgeError `usage` where it is no address.
 *
 * A task's `num_ctx` has no equivalent in this API and is left to LM Studio, which fixes it when it loads
 * the model.
 */
export function lmstudioBackend(url: string, settings: BackendSettings = {}): Backend {
  const { allowCloud = false, token, memory, lookups = memory?.foresight } = settings;
  const about = calledBackend(LMSTUDIO, url, { hasToken: token !== undefined, lookups });
  const server = { ...about, token };
  return {
    ...about,
    listModels: (signal) => listLmstudioModels(server, signal),
    // Null while it is not loaded: nobody knows which context it will be loaded with.
    longestContext: async (model, signal) =>
      (await inspectLmstudioModel(server, model, allowCloud, signal))?.context ?? null,
    async generate(request, signal, onToken) {
      signal.throwIfAborted();
      // Made before anything is sent, so that an image of an unknown kind does not load a model.
      const chat = chatParams(request, responseFormat);
      const inspect = () => inspectLmstudioModel(server, request.model, allowCloud, signal);
      return await withinFixedContext({ about, request, limit: LIMIT, inspect }, async () => {
        onToken({ type: 'alive' });
        const checkModel = modelCheck(about, request, RULES);
        return await generateByChatCompletions({ server, request, chat, signal, onToken, checkModel });
      });
    },
    async call(call, signal, reader) {
      signal.throwIfAborted();
      const asking = {
        ...{ about, request: promptOf(call), limit: LIMIT, countsAll: countsWholePrompt(call.path) },
        inspect: () => inspectLmstudioModel(server, call.model, allowCloud, signal, purposeOf(call.path)),
      };
      return await withinFixedContext(asking, async (model) => {
        if (model === null && !isCloudName(call.model)) {
          throw backendError(about, 'model_not_found', `model ${call.model} not found`);
        }
        reader.alive();
        const checkModel = modelCheck(about, call, RULES);
        return await sendV1Call({
          server,
          call,
          model: model?.name ?? call.model,
          signal,
          reader,
          checkModel,
        });
      });
    },
  };
}

/** What bounds a context, to follow `which is`. */
const LIMIT = 'what LM Studio has loaded the model with';

const RULES: ModelRules = {
  sameModel: LMSTUDIO.sameModel,
  remedy: (model) => `load ${model} in LM Studio`,
};

/** LM Studio refuses OpenAI's `json_object` with 400; a schema of any object says the same. */
function responseFormat(format: TaskFormat): ResponseFormat {
  const schema = format === 'json' ? { type: 'object' } : format;
  return { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } };
}
