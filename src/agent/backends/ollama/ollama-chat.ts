import type { ChatRequest, Ollama, Options } from 'ollama';
import { REPETITION } from '../../../protocol/answer.js';
import type { TaskOptions } from '../../../protocol/task.js';
import type { Backend, GenerateRequest, Generation, OnToken } from '../backend.js';
import { backendError, lostError } from '../backend-failure.js';
import type { RawGeneration } from '../finish-generation.js';
import { StreamedText } from '../streamed-text.js';
import { ollamaChunkSchema } from './ollama-wire.js';

/**
 * Generates by `/api/chat`, streamed. Throws BackendError for a line that is no part of an answer, and for a
 * stream that ends too early; and what the client throws.
 */
export async function chatStreamed(
  about: Pick<Backend, 'name' | 'url'>,
  client: Ollama,
  request: StrictChatRequest,
  onToken: OnToken,
): Promise<RawGeneration> {
  const text = new StreamedText(request.format !== undefined);
  onToken({ type: 'begins' });
  for await (const line of await client.chat(request)) {
    const read = ollamaChunkSchema.safeParse(line);
    if (!read.success) throw backendError(about, 'backend_error', 'sent a line that is no part of an answer');
    const chunk = read.data;
    const thought = chunk.message?.thinking ?? '';
    const said = chunk.message?.content ?? '';
    const isEndless = text.take({ thinking: thought, content: said });
    if (thought + said !== '') onToken({ type: 'piece', content: said, thinking: thought });
    if (!chunk.done && !isEndless) continue;
    return {
      content: text.content,
      thinking: text.thinking,
      model: chunk.model,
      finishReason: chunk.done ? (chunk.done_reason ?? undefined) : REPETITION,
      usage: usageOf(chunk.prompt_eval_count, chunk.eval_count),
    };
  }
  throw lostError(about, 'ended the stream before the answer was complete');
}

/** A request that neither cuts the prompt nor lets the answer push it out of the context. */
export type StrictChatRequest = ChatRequest & {
  readonly stream: true;
  readonly truncate: false;
  readonly shift: false;
};

/** The request of a task, in a context of `context` tokens. */
export function chatRequest(request: GenerateRequest, context: number): StrictChatRequest {
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
    options: { ...ollamaOptions(request.options), num_ctx: context },
    truncate: false,
    shift: false,
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
