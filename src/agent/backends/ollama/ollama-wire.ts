import * as z from 'zod';

const count = z.int().min(0).optional().catch(undefined);

/** One line of Ollama's `/api/chat` stream. Counts that are none are left out: they are no reason to lose an answer. */
export const ollamaChunkSchema = z.object({
  model: z.string().optional(),
  message: z.object({ content: z.string().default(''), thinking: z.string().nullish() }).optional(),
  done: z.boolean(),
  done_reason: z.string().nullish(),
  prompt_eval_count: count,
  eval_count: count,
});

/** Ollama's `/api/tags`. */
export const ollamaTagsSchema = z.object({
  models: z.array(z.object({ name: z.string() })).nullable(),
});

/** The longest line of a stream, in characters. A line is a token or two; the last one of old Ollama had the context. */
const MAX_LINE_CHARS = 16 * 1024 * 1024;

/**
 * The same response, with a body that fails with a SyntaxError at the first line that is no JSON object. Ollama's client
 * prints such a line to the terminal and goes on without it: an answer with a hole, and a piece of it in the log.
 */
export function strictJsonLines(response: Response): Response {
  if (response.body === null) return response;
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = '';
  const lines = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = parts.pop() ?? '';
      if (rest.length > MAX_LINE_CHARS) throw new SyntaxError('a line without an end');
      for (const line of parts) controller.enqueue(encoder.encode(checkedLine(line)));
    },
    flush(controller) {
      controller.enqueue(encoder.encode(checkedLine(rest + decoder.decode())));
    },
  });
  return new Response(response.body.pipeThrough(lines), {
    status: response.status,
    headers: response.headers,
  });
}

/** The line with its newline; nothing for a blank one, which the client would take for broken JSON. */
function checkedLine(line: string): string {
  if (line.trim() === '') return '';
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new SyntaxError('a line that is no object');
  return `${line}\n`;
}
