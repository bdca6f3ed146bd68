import type { OpenAI } from 'openai';
import { REPETITION, type Usage } from '../../../protocol/answer.js';
import { LIST_LIMITS, maxLineBytes, streamLimits } from '../answer-limits.js';
import type { Backend, GenerateRequest, Generation, OnToken } from '../backend.js';
import { backendError, callBackend, lostError, StreamFailure } from '../backend-failure.js';
import { finishGeneration } from '../finish-generation.js';
import { errorBody, HttpFailure, openTransport, type Transport } from '../http-exchange.js';
import { StreamedText } from '../streamed-text.js';
import { wholeEvents } from '../whole-events.js';
import { LMSTUDIO } from './lmstudio.js';
import {
  type LmstudioChunk,
  lmstudioChunkSchema,
  lmstudioModelsSchema,
  lmstudioRequest,
} from './lmstudio-request.js';

/** The longest delay a timer takes, in milliseconds: 24.8 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * LM Studio, by the official OpenAI client: `/v1/chat/completions`, streamed, and `/v1/models`. `url` as
 * `parseLmstudioUrl` takes it; throws BridgeError `usage` where it is none.
 *
 * A task's `num_ctx` has no equivalent in this API and is left to LM Studio, which fixes it when it loads the
 * model.
 */
export function lmstudioBackend(url: string): Backend {
  const about = {
    name: LMSTUDIO.name,
    url: LMSTUDIO.parseUrl(url),
    noModelRemedy: LMSTUDIO.remedies.noModel,
    failures: LMSTUDIO.failures,
  } as const;
  return {
    ...about,
    async listModels(signal) {
      signal.throwIfAborted();
      const transport = openTransport(signal, LIST_LIMITS);
      return await callBackend(about, transport, signal, async () => {
        // Not by the client: every agent asks for this list every two minutes, whether it is LM Studio that
        // it uses or not.
        const list: unknown = await (await transport.fetch(`${about.url}/models`)).json();
        const models = lmstudioModelsSchema.safeParse(list);
        if (!models.success) throw backendError(about, 'backend_error', 'sent a list of models that is none');
        // Embedding models stand in the same list and cannot chat; LM Studio names them so.
        return models.data.data.map((model) => model.id).filter((id) => !id.startsWith('text-embedding-'));
      });
    },
    async generate(request, signal, onToken) {
      signal.throwIfAborted();
      const { maxAnswerBytes } = request;
      const transport = openTransport(signal, streamLimits(maxAnswerBytes), async (response) => {
        await refuseJson(response);
        return wholeEvents(response, maxLineBytes(maxAnswerBytes));
      });
      const client = await openClient(about.url, transport.fetch);
      return await callBackend(about, transport, signal, () => generate(about, client, request, onToken));
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
  onToken: OnToken,
): Promise<Generation> {
  const text = new StreamedText(request.format !== undefined);
  let model: string | undefined;
  let finishReason: string | undefined;
  let usage: Usage | undefined;
  for await (const event of eventsOf(client, lmstudioRequest(request))) {
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
    if (thought + said !== '') onToken(thought + said);
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
