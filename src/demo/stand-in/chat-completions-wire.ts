import * as z from 'zod';
import type { StandInRequest, WireName } from './stand-in-request.js';
import type { Piece, Turn } from './wire.js';

const contentSchema = z.union([
  z.string(),
  z.array(z.object({ type: z.string(), text: z.string().optional() })),
]);

/** The body of `/v1/chat/completions`, as far as the stand-in understands it. */
export const chatBodySchema = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: contentSchema })),
  stream: z.boolean().default(false),
  stream_options: z.object({ include_usage: z.boolean().default(false) }).optional(),
  response_format: z
    .object({ type: z.string(), json_schema: z.object({ schema: z.unknown() }).optional() })
    .optional(),
});
export type ChatBody = z.infer<typeof chatBodySchema>;

/** The request that such a body is. `format`: what this server makes of its `response_format`. */
export function requestOf(wire: WireName, body: ChatBody, format: unknown): StandInRequest {
  const { model, messages, stream, stream_options } = body;
  return {
    wire,
    model,
    question: textOf(messages.findLast((message) => message.role === 'user')?.content ?? ''),
    conversation: messages.map((message) => textOf(message.content)).join('\n'),
    stream,
    hasImages: messages.some(({ content }) => typeof content !== 'string' && content.some(isImage)),
    includeUsage: !stream || stream_options?.include_usage === true,
    format,
    numCtx: null,
    truncate: false,
    shift: false,
  };
}

function isImage({ type }: { type: string }): boolean {
  return type === 'image_url';
}

function textOf(content: z.infer<typeof contentSchema>): string {
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('');
}

/** The text of pieces by the names of the API. */
export function fieldsOf(pieces: readonly Piece[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const piece of pieces) {
    const field = piece.kind === 'answer' ? 'content' : 'reasoning_content';
    result[field] = (result[field] ?? '') + piece.text;
  }
  return result;
}

/** What every response begins with. */
export function headOf(turn: Turn, object: string): Record<string, unknown> {
  const created = Math.floor(turn.startedAtMs / 1000);
  return { id: 'chatcmpl-stand-in', object, created, model: turn.model };
}

/** The tokens of a turn by the names of the API. */
export function usageOf(turn: Turn): Record<string, number> {
  return {
    prompt_tokens: turn.promptTokens,
    completion_tokens: turn.completionTokens,
    total_tokens: turn.promptTokens + turn.completionTokens,
  };
}

/** An event of a stream (SSE). */
export function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
