import type OpenAI from 'openai';
import * as z from 'zod';
import { IMAGE_KINDS, imageMediaType } from '../../protocol/image-type.js';
import type { TaskFormat, TaskOptions } from '../../protocol/task.js';
import { BackendError, type GenerateRequest } from './backend.js';

/** The body of a streamed `/v1/chat/completions`. */
export type ChatParams = OpenAI.Chat.ChatCompletionCreateParamsStreaming;

/** How a server is asked for JSON. */
export type ResponseFormat = NonNullable<ChatParams['response_format']>;

/**
 * A generation in OpenAI's words. `num_ctx` is left out: the API has no such parameter, and its servers fix
 * a model's context when they load it. `formatOf`: how this server is asked for a format. Throws
 * BackendError `invalid_task` for an image of a kind that has no media type.
 */
export function chatParams(
  request: GenerateRequest,
  formatOf: (format: TaskFormat) => ResponseFormat,
): ChatParams {
  return {
    model: request.model,
    messages: messagesOf(request),
    stream: true,
    stream_options: { include_usage: true },
    ...openaiOptions(request.options),
    ...(request.format === undefined ? {} : { response_format: formatOf(request.format) }),
  };
}

function messagesOf(request: GenerateRequest): ChatParams['messages'] {
  const lastUser = request.messages.findLastIndex((message) => message.role === 'user');
  return request.messages.map(({ role, content }, index) => {
    if (index !== lastUser || request.images.length === 0) return { role, content };
    const images = request.images.map((bytes, at) => {
      return { type: 'image_url' as const, image_url: { url: dataUrl(bytes, at + 1) } };
    });
    return { role: 'user' as const, content: [{ type: 'text' as const, text: content }, ...images] };
  });
}

function dataUrl(bytes: Uint8Array, position: number): string {
  const type = imageMediaType(bytes);
  if (type === null) {
    throw new BackendError('invalid_task', `image ${position} is no ${IMAGE_KINDS}`);
  }
  return `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;
}

function openaiOptions(options: TaskOptions): Partial<ChatParams> {
  const { num_ctx: _leftToTheServer, ...same } = options;
  // A task's options have OpenAI's names; none is undefined, for they were read from JSON.
  return same as Partial<ChatParams>;
}

const count = z.int().min(0).optional().catch(undefined);
const text = z.string().nullish();

/**
 * One event of a `/v1/chat/completions` stream. Reasoning comes as `reasoning_content`; with gpt-oss and
 * newer vLLM as `reasoning`. A count that is no whole number is left out, because it is no reason to lose an
 * answer.
 */
export const chatChunkSchema = z.object({
  model: z.string().optional(),
  choices: z.array(
    z.object({
      delta: z.object({ content: text, reasoning_content: text, reasoning: text }).optional(),
      finish_reason: text,
    }),
  ),
  usage: z.object({ prompt_tokens: count, completion_tokens: count }).nullish().catch(undefined),
});
export type ChatChunk = z.infer<typeof chatChunkSchema>;

/** An error in place of an event as vLLM before 0.10 sends it: the body of an error, without its name. */
export const bareErrorSchema = z.object({ object: z.literal('error'), message: z.string() });
