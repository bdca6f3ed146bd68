import { type ChatRequest, Ollama, type Options } from 'ollama';
import { REPETITION } from '../../../protocol/answer.js';
import type { TaskOptions } from '../../../protocol/task.js';
import { LIST_LIMITS, maxLineBytes, streamLimits } from '../answer-limits.js';
import type { Backend, GenerateRequest, Generation, OnToken } from '../backend.js';
import { backendError, callBackend, lostError } from '../backend-failure.js';
import { finishGeneration } from '../finish-generation.js';
import { openTransport } from '../http-exchange.js';
import { StreamedText } from '../streamed-text.js';
import { OLLAMA } from './ollama.js';
import { ollamaChunkSchema, ollamaTagsSchema, strictJsonLines } from './ollama-wire.js';

/**
 * Ollama, by its official client: `/api/chat`, streamed, and `/api/tags`. `url` as `parseOllamaUrl` takes it;
 * throws BridgeError `usage` where it is none.
 */
export function ollamaBackend(url: string): Backend {
  const about = {
    name: OLLAMA.name,
    url: OLLAMA.parseUrl(url),
    noModelRemedy: OLLAMA.remedies.noModel,
    failures: OLLAMA.failures,
  } as const;
  return {
    ...about,
    async listModels(signal) {
      signal.throwIfAborted();
      const transport = openTransport(signal, LIST_LIMITS);
      const client = new Ollama({ host: about.url, fetch: transport.fetch });
      return await callBackend(about, transport, signal, async () => {
        const tags = ollamaTagsSchema.safeParse(await client.list());
        if (!tags.success) throw backendError(about, 'backend_error', 'sent a list of models that is none');
        return (tags.data.models ?? []).map((model) => model.name);
      });
    },
    async generate(request, signal, onToken) {
      signal.throwIfAborted();
      const { maxAnswerBytes } = request;
      const transport = openTransport(signal, streamLimits(maxAnswerBytes), (response) =>
        strictJsonLines(response, maxLineBytes(maxAnswerBytes)),
      );
      // A client a call: it cannot abort one call of several, nor any before its first token.
      const client = new Ollama({ host: about.url, fetch: transport.fetch });
      return await callBackend(about, transport, signal, () => generate(about, client, request, onToken));
    },
  };
}

async function generate(
  about: Pick<Backend, 'name' | 'url'>,
  client: Ollama,
  request: GenerateRequest,
  onToken: OnToken,
): Promise<Generation> {
  const text = new StreamedText(request.format !== undefined);
  for await (const line of await client.chat(chatRequest(request))) {
    const read = ollamaChunkSchema.safeParse(line);
    if (!read.success) throw backendError(about, 'backend_error', 'sent a line that is no part of an answer');
    const chunk = read.data;
    const thought = chunk.message?.thinking ?? '';
    const said = chunk.message?.content ?? '';
    const isEndless = text.take({ thinking: thought, content: said });
    if (thought + said !== '') onToken(thought + said);
    if (!chunk.done && !isEndless) continue;
    return finishGeneration(about, request, {
      content: text.content,
      thinking: text.thinking,
      model: chunk.model,
      finishReason: chunk.done ? (chunk.done_reason ?? undefined) : REPETITION,
      usage: usageOf(chunk.prompt_eval_count, chunk.eval_count),
    });
  }
  throw lostError(about, 'ended the stream before the answer was complete');
}

function chatRequest(request: GenerateRequest): ChatRequest & { stream: true } {
  const lastUser = request.messages.findLastIndex((message) => message.role === 'user');
  const messages = request.messages.map((message, index) =>
    // Bytes: the client reads a local file where a string happens to be its path.
    index === lastUser && request.images.length > 0
      ? { ...message, images: [...request.images] }
      : { ...message },
  );
  return {
    model: request.model,
    messages,
    stream: true,
    options: ollamaOptions(request.options),
    ...(request.format === undefined ? {} : { format: request.format }),
  };
}

/** A task's options by Ollama's names: `max_tokens` is its `num_predict`, the others are called the same. */
function ollamaOptions(options: TaskOptions): Partial<Options> {
  const { max_tokens, ...same } = options;
  return { ...same, ...(max_tokens === undefined ? {} : { num_predict: max_tokens }) } as Partial<Options>;
}

function usageOf(prompt: number | undefined, completion: number | undefined): Generation['usage'] {
  if (prompt === undefined && completion === undefined) return undefined;
  return {
    ...(prompt === undefined ? {} : { prompt_tokens: prompt }),
    ...(completion === undefined ? {} : { completion_tokens: completion }),
  };
}
