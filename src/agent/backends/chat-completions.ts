import type { OpenAI } from 'openai';
import { REPETITION, type Usage } from '../../protocol/answer.js';
import { MAX_TIMER_MS } from '../../protocol/duration.js';
import { maxLineBytes, streamLimits } from './answer-limits.js';
import type { Backend, GenerateRequest, Generation, OnToken } from './backend.js';
import { backendError, callBackend, lostError, StreamFailure } from './backend-failure.js';
import type { CalledBackend } from './called-backend.js';
import {
  bareErrorSchema,
  type ChatChunk,
  type ChatParams,
  chatChunkSchema,
} from './chat-completions-request.js';
import { finishGeneration } from './finish-generation.js';
import { untilLastWords } from './last-words.js';
import { StreamedText } from './streamed-text.js';
import { errorBody, HttpFailure, openTransport, type Transport } from './transport.js';
import { wholeEvents } from './whole-events.js';

/** A server that speaks OpenAI's API, and the token that it wants. */
export interface V1Server extends CalledBackend {
  readonly token: string | undefined;
}

/** One generation by `/v1/chat/completions`. */
export interface ChatCall {
  readonly server: V1Server;
  readonly request: GenerateRequest;
  /** The request in OpenAI's words. */
  readonly chat: ChatParams;
  readonly signal: AbortSignal;
  readonly onToken: OnToken;
  /** Told which model answers, once; throws BackendError `wrong_model` where that is not what was wanted. */
  readonly checkModel: (answering: string) => void;
}

/**
 * Generates by `/v1/chat/completions`, streamed, with the official client. Throws BackendError for whatever
 * goes wrong, and the signal's reason once it is aborted.
 */
export async function generateByChatCompletions(call: ChatCall): Promise<Generation> {
  const { server, request, signal } = call;
  server.lookups?.forget();
  const limits = { ...streamLimits(request.maxAnswerBytes), token: server.token };
  let isDone = false;
  const transport = openTransport(signal, limits, async (response) => {
    await refuseJson(response);
    return wholeEvents(response, maxLineBytes(request.maxAnswerBytes), () => {
      isDone = true;
    });
  });
  const client = await openClient(server.url, transport.fetch);
  return await callBackend(server, transport, signal, () => readAnswer(client, call, () => isDone));
}

/**
 * The client without its retries, its timers, and its log, which would contain prompts where OPENAI_LOG is
 * set. It is loaded when it is needed: an agent that asks only Ollama never loads it, and saves 11 MB.
 */
async function openClient(baseURL: string, fetch: Transport['fetch']): Promise<OpenAI> {
  const { OpenAI: Client } = await import('openai');
  return new Client({
    baseURL,
    fetch,
    // The client wants a key. The transport sends its own token in place of it.
    apiKey: 'none',
    maxRetries: 0,
    timeout: MAX_TIMER_MS,
    logLevel: 'off',
  });
}

/**
 * LM Studio says some errors with status 200 and plain JSON in place of a stream, which the client would
 * read as empty.
 */
async function refuseJson(response: Response): Promise<void> {
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('application/json')) throw new HttpFailure(response.status, await errorBody(response));
}

/** `isDone`: whether the server has said `[DONE]`, which the client keeps to itself. */
async function readAnswer(client: OpenAI, call: ChatCall, isDone: () => boolean): Promise<Generation> {
  const { server, request, onToken, checkModel } = call;
  const text = new StreamedText(request.format !== undefined);
  onToken({ type: 'begins' });
  let model: string | undefined;
  let finishReason: string | undefined;
  let usage: Usage | undefined;
  const isWhole = () => finishReason !== undefined;
  for await (const event of untilLastWords(eventsOf(client, call.chat), isWhole)) {
    const chunk = readChunk(server, event);
    if (model === undefined && chunk.model !== undefined) {
      model = chunk.model;
      checkModel(model);
    }
    const [choice] = chunk.choices;
    const thought = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? '';
    const said = choice?.delta?.content ?? '';
    const isEndless = text.take({ thinking: thought, content: said });
    if (thought + said !== '') onToken({ type: 'piece', content: said, thinking: thought });
    // Some servers send "" with each piece: ollama/ollama#4357.
    finishReason = choice?.finish_reason || finishReason;
    usage = usageOf(chunk) ?? usage;
    if (!isEndless || finishReason !== undefined) continue;
    finishReason = REPETITION;
    break;
  }
  // A body that just ends is no whole answer. Some servers say `[DONE]` and give no reason:
  // waybarrios/vllm-mlx#628.
  if (finishReason === undefined && !isDone()) {
    throw lostError(server, 'ended the stream before the answer was complete');
  }
  const { content, thinking } = text;
  return finishGeneration(server, request, { content, thinking, model, finishReason, usage });
}

function readChunk(server: Pick<Backend, 'name' | 'url'>, event: unknown): ChatChunk {
  const read = chatChunkSchema.safeParse(event);
  if (read.success) return read.data;
  const error = bareErrorSchema.safeParse(event);
  if (error.success) throw new StreamFailure(error.data.message);
  throw backendError(server, 'backend_error', 'sent an event that is no part of an answer');
}

/** The events of a stream. Throws StreamFailure for one that tells of an error. */
async function* eventsOf(client: OpenAI, params: ChatParams): AsyncGenerator<unknown> {
  const stream = await client.chat.completions.create(params);
  try {
    yield* stream;
  } catch (error) {
    const { APIError } = await import('openai');
    if (!(error instanceof APIError)) throw error;
    // The whole error object: llama.cpp has its counts beside the message (ggml-org/llama.cpp#15780).
    const said = error.error === undefined ? error.message : JSON.stringify({ error: error.error });
    throw new StreamFailure(said, { cause: error });
  }
}

function usageOf(chunk: ChatChunk): Usage | undefined {
  const prompt = chunk.usage?.prompt_tokens;
  const completion = chunk.usage?.completion_tokens;
  if (prompt === undefined && completion === undefined) return undefined;
  return {
    ...(prompt === undefined ? {} : { prompt_tokens: prompt }),
    ...(completion === undefined ? {} : { completion_tokens: completion }),
  };
}
