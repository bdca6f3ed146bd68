import type { TaskFormat } from '../../../protocol/task.js';
import type { Backend, BackendSettings, GenerateRequest } from '../backend.js';
import { countsWholePrompt, promptOf, purposeOf } from '../call-prompt.js';
import { calledBackend } from '../called-backend.js';
import { generateByChatCompletions } from '../chat-completions.js';
import { chatParams, type ResponseFormat } from '../chat-completions-request.js';
import { withinFixedContext } from '../fixed-context.js';
import { modelCheck } from '../model-check.js';
import { sendV1Call } from '../v1-call.js';
import { OPENAI } from './openai.js';
import { countTokens, inspectOpenaiModel, listOpenaiModels, type OpenaiModel } from './openai-models.js';

/**
 * Any server that speaks OpenAI's API: `/v1/chat/completions`, streamed. Before each of them the model is
 * looked up, so that none is asked that may not be. `url` as `parseOpenaiUrl` takes it; throws BridgeError
 * `usage` where it is no address, and where it is no private address and `allowCloud` is false.
 *
 * The token goes to this address and to no other: redirects are not followed. A task's `num_ctx` has no
 * equivalent in this API: the context is what the server was started with.
 */
export function openaiBackend(url: string, settings: BackendSettings = {}): Backend {
  const { allowCloud = false, token, memory, lookups = memory?.foresight } = settings;
  const about = calledBackend(OPENAI, url, { hasToken: token !== undefined, lookups });
  OPENAI.refuseUrl(about.url, allowCloud);
  const server = { ...about, token };
  const countBefore = (prompt: Pick<GenerateRequest, 'messages'>, signal: AbortSignal) => {
    return async ({ isCutInSilence }: Pick<OpenaiModel, 'isCutInSilence'>) =>
      isCutInSilence ? await countTokens(server, prompt, signal) : null;
  };
  return {
    ...about,
    listModels: (signal) => listOpenaiModels(server, signal),
    longestContext: async (model, signal) =>
      (await inspectOpenaiModel(server, model, allowCloud, signal)).context,
    async generate(request, signal, onToken) {
      signal.throwIfAborted();
      // Made before anything is sent, so that an image of an unknown kind does not load a model.
      const chat = chatParams(request, responseFormat);
      const asking = {
        about,
        request,
        limit: LIMIT,
        inspect: () => inspectOpenaiModel(server, request.model, allowCloud, signal),
        countBefore: countBefore(request, signal),
      };
      return await withinFixedContext(asking, async (model) => {
        onToken({ type: 'alive' });
        // As the server spells it: some take no other spelling.
        const spelled = { ...chat, model: model?.name ?? request.model };
        const checkModel = modelCheck(about, request, { sameModel, names: model?.names });
        const call = { server, request, chat: spelled, signal, onToken, checkModel };
        return await generateByChatCompletions(call);
      });
    },
    async call(call, signal, reader) {
      signal.throwIfAborted();
      const request = promptOf(call);
      const asking = {
        ...{ about, request, limit: LIMIT, countsAll: countsWholePrompt(call.path) },
        inspect: () => inspectOpenaiModel(server, call.model, allowCloud, signal, purposeOf(call.path)),
        countBefore: countBefore(request, signal),
      };
      return await withinFixedContext(asking, async (model) => {
        reader.alive();
        const checkModel = modelCheck(about, call, { sameModel, names: model?.names });
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

const { sameModel } = OPENAI;

/** What bounds a context, to follow `which is`. */
const LIMIT = 'what the server has loaded the model with';

/**
 * Both forms constrain the answer in llama.cpp (and so in Jan), vLLM and LocalAI; KoboldCpp ignores what it
 * does not know. Without `strict`: with it OpenAI itself refuses every schema that is not of its own narrow
 * kind, and the others constrain the answer anyway. Whatever comes is checked against the schema once more.
 */
function responseFormat(format: TaskFormat): ResponseFormat {
  if (format === 'json') return { type: 'json_object' };
  return { type: 'json_schema', json_schema: { name: 'answer', schema: format } };
}
