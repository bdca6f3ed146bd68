import * as z from 'zod';
import { StreamFailure } from '../backend-failure.js';
import { NEWLINE, streamLines, withBody } from '../stream-lines.js';

const count = z.int().min(0).optional().catch(undefined);

/**
 * One line of Ollama's `/api/chat` stream. A count that is no whole number is left out, because it is no
 * reason to lose an answer.
 */
export const ollamaChunkSchema = z
  .object({
    model: z.string().optional(),
    message: z.object({ content: z.string().default(''), thinking: z.string().nullish() }).optional(),
    done: z.boolean().optional(),
    done_reason: z.string().nullish(),
    prompt_eval_count: count,
    eval_count: count,
  })
  .refine(({ message, done, done_reason }) => done !== undefined || message !== undefined || !!done_reason)
  // Its engine for MLX ends with the reason and without `done`: ollama/ollama-vscode#60.
  .transform((chunk) => ({ ...chunk, done: chunk.done === true || !!chunk.done_reason }));

/**
 * The same response, with a body that fails with a SyntaxError at the first line that is no JSON object,
 * with StreamFailure at one that tells of an error, and with TooManyBytes at one that has more than
 * `maxLineBytes`. Ollama's own client would print the first kind to the terminal and go on without it: the
 * answer would lack a piece, and the log would have it.
 */
export function strictJsonLines(response: Response, maxLineBytes: number): Response {
  return response.body === null ? response : withBody(response, checkedLines(response.body, maxLineBytes));
}

/** The last line may lack its newline. Where it is no JSON either, the stream broke off in it. */
function parseLine(text: string, isWhole: boolean): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw isWhole ? error : new StreamFailure('ended the stream in the middle of a line', { cause: error });
  }
}

function wordsOf(error: unknown): string {
  return typeof error === 'string' ? error : JSON.stringify(error);
}

/** The lines, each with its newline, without the blank ones, which the client would take for broken JSON. */
async function* checkedLines(
  body: ReadableStream<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  for await (const line of streamLines(body, maxLineBytes)) {
    const text = decoder.decode(line).trim();
    if (text === '') continue;
    const value = parseLine(text, line.at(-1) === NEWLINE);
    if (typeof value !== 'object' || value === null) throw new SyntaxError('a line that is no object');
    if ('error' in value) throw new StreamFailure(wordsOf(value.error));
    yield encoder.encode(`${text}\n`);
  }
}
