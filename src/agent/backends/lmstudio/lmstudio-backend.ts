import type { OpenAI } from 'openai';
import { REPETITION, type Usage } from '../../../protocol/answer.js';
import { maxLineBytes, streamLimits } from '../answer-limits.js';
import type { Backend, BackendSettings, GenerateRequest, Generation, OnToken } from '../backend.js';
import { backendError, callBackend, lostError, StreamFailure } from '../backend-failure.js';
import { finishGeneration } from '../finish-generation.js';
import { errorBody, HttpFailure, openTransport, type Transport } from '../http-exchange.js';
import { StreamedText } from '../streamed-text.js';
import { wholeEvents } from '../whole-events.js';
import { LMSTUDIO } from './lmstudio.js';
import { withinContext } from './lmstudio-context.js';
import { inspectLmstudioModel, listLmstudioModels } from './lmstudio-models.js';
import { type LmstudioChunk, lmstudioChunkSchema, lmstudioRequest } from './lmstudio-request.js';

/** The longest delay a timer takes, in milliseconds: 24.8 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * LM Studio, by the official OpenAI client: `/v1/chat/completions`, streamed. Before each of them the model
 * is looked up, so that no way leads past what may be asked. `url` as `parseLmstudioUrl` takes it; throws
 * BridgeError `usage` where it is none.
 *
 * A task's `num_ctx` has no equivalent in this API and is left to LM Studio, which fixes it when it loads the
 * model.
 */
export function lmstudioBackend(url: string, { allowCloud = false, token }: BackendSettings = {}): Backend {
  const about = {
    name: LMSTUDIO.name,
    url: LMSTUDIO.parseUrl(url),
    noModelRemedy: LMSTUDIO.remedies.noModel,
    failures: LMSTUDIO.failures,
    unauthorizedRemedy: LMSTUDIO.remedies.unauthorized(token !== undefined),
  } as const;
  return {
    ...about,
    listModels: (signal) => listLmstudioModels({ ...about, token }, signal),
    // Nobody knows what it will be loaded with.
    longestContext: async (model, signal) =>
      (await inspectLmstudioModel({ ...about, token }, model, allowCloud, signal))?.context ?? null,
    async generate(request, signal, onToken) {
      signal.throwIfAborted();
      // Before anything is sent: an image of no known kind is no reason to load a model.
      const chat = lmstudioRequest(request);
      const { model, maxAnswerBytes } = request;
      const inspect = () => inspectLmstudioModel({ ...about, token }, model, allowCloud, signal);
      return await withinContext({ about, request, inspect }, async () => {
        onToken({ type: 'alive' });
        const transport = openTransport(
          signal,
          { ...streamLimits(maxAnswerBytes), token },
          async (response) => {
            await refuseJson(response);
            return wholeEvents(response, maxLineBytes(maxAnswerBytes));
          },
        );
        const client = await openClient(about.url, transport.fetch);
        const ask = () => generate(about, client, request, chat, onToken);
        return await callBackend(about, transport, signal, ask);
      });
    },
  };
}

/**
 * The client without its retries, its timers, and its log, in which prompts would stand where OPENAI_LOG is
 * set. Loaded when it is needed: an agent that has Ollama never does, and has 11 MB more to itself.
 */
async function openClient(baseURL: string, fetch: Transport['fetch']): Promise<OpenAI> {
  const { OpenAI: Client } = await import('openai');
  return new Client({
    baseURL,
    fetch,
    apiKey: 'lm-studio',
    maxRetries: 0,
    timeout: MAX_TIMER_MS,
    logLevel: 'off',
  });
}

/**
 * LM Studio says some errors with status 200 and plain JSON in place of a stream, which the client would read
 * as empty.
 */
async function refuseJson(response: Response): Promise<void> {
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('application/json')) throw new HttpFailure(response.status, await errorBody(response));
}

async function generate(
  about: Pick<Backend, 'name' | 'url'>,
  client: OpenAI,
  request: GenerateRequest,
  chat: ReturnType<typeof lmstudioRequest>,
  onToken: OnToken,
): Promise<Generation> {
  const text = new StreamedText(request.format !== undefined);
  onToken({ type: 'begins' });
  let model: string | undefined;
  let finishReason: string | undefined;
  let usage: Usage | undefined;
  for await (const event of eventsOf(client, chat)) {
    const read = lmstudioChunkSchema.safeParse(event);
    if (!read.success)
      throw backendError(about, 'backend_error', 'sent an event that is no part of an answer');
    const chunk = read.data;
    if (model === undefined && chunk.model !== undefined) {
      model = chunk.model;
      refuseWrongModel(about, request, model);
    }
    const [choice] = chunk.choices;
    const thought = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? '';
    const said = choice?.delta?.content ?? '';
    const isEndless = text.take({ thinking: thought, content: said });
    if (thought + said !== '') onToken({ type: 'piece', content: said, thinking: thought });
    finishReason = choice?.finish_reason ?? finishReason;
    usage = usageOf(chunk) ?? usage;
    if (!isEndless || finishReason !== undefined) continue;
    finishReason = REPETITION;
    break;
  }
  // The client ends its loop alike where the server says [DONE] and where the body just ends.
  if (finishReason === undefined) {
    throw lostError(about, 'ended the stream before the answer was complete');
  }
  const { content, thinking } = text;
  return finishGeneration(about, request, { content, thinking, model, finishReason, usage });
}

/** The events of a stream. Throws StreamFailure for one that tells of an error. */
async function* eventsOf(
  client: OpenAI,
  params: ReturnType<typeof lmstudioRequest>,
): AsyncGenerator<unknown> {
  const stream = await client.chat.completions.create(params);
  try {
    yield* stream;
  } catch (error) {
    const { APIError } = await import('openai');
    throw error instanceof APIError ? new StreamFailure(error.message, { cause: error }) : error;
  }
}

function refuseWrongModel(
  about: Pick<Backend, 'name' | 'url'>,
  request: GenerateRequest,
  model: string,
): void {
  if (!request.strictModel || LMSTUDIO.sameModel(request.model, model)) return;
  const text = `${request.model} was asked, and ${model} answered; load ${request.model} in LM Studio`;
  throw backendError(about, 'wrong_model', text);
}

function usageOf(chunk: LmstudioChunk): Usage | undefined {
  const prompt = chunk.usage?.prompt_tokens;
  const completion = chunk.usage?.completion_tokens;
  if (prompt === undefined && completion === undefined) return undefined;
  return {
    ...(prompt === undefined ? {} : { prompt_tokens: prompt }),
    ...(completion === undefined ? {} : { completion_tokens: completion }),
  };
}
