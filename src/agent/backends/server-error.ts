import * as z from 'zod';
import type { AnswerErrorCode } from '../../protocol/answer.js';

/** What a model server said went wrong. */
export interface ServerError {
  readonly code: Extract<
    AnswerErrorCode,
    'context_overflow' | 'no_model' | 'model_not_found' | 'backend_error'
  >;
  /** Its own words, not cleaned and not bounded. */
  readonly text: string;
}

const detailSchema = z.union([
  z.string().transform((message) => ({ message, code: undefined })),
  z.object({ message: z.string(), code: z.unknown().optional() }),
]);
const bodySchema = z.union([z.object({ error: detailSchema }).transform((body) => body.error), detailSchema]);

/**
 * What the two servers say of a prompt that does not fit, gathered from their sources and issue trackers:
 * Ollama: "the input length exceeds the context length", "prompt too long; exceeded max context length by 812 tokens";
 * llama.cpp in either: "the request exceeds the available context size", "Context size has been exceeded";
 * LM Studio: "Trying to keep the first 15857 tokens when context the overflows" (sic; lmstudio-bug-tracker 237, 546), "Cannot
 * truncate prompt with n_keep (15028) >= n_ctx (7424)", "The number of tokens to keep from the initial prompt is greater
 * than the context length", "Reached context length of 4096 tokens"; OpenAI's own: "maximum context length is".
 */
const CONTEXT_OVERFLOW = [
  /exceed\w* .{0,60}context (?:length|size|window)/i,
  /context (?:length|size|window) .{0,40}exceeded/i,
  /context (?:length|size|window) exceeded/i,
  /keep the first \d+ tokens/i,
  /tokens to keep from the initial prompt/i,
  /n_keep.{0,40}n_ctx/i,
  /context (?:the )?overflow/i,
  /reached context length/i,
  /maximum context length/i,
  /prompt (?:is )?too long/i,
];

/**
 * Reads the body of an error response, or an error's bare text: `{"error": "…"}` (Ollama, and LM Studio for some),
 * `{"error": {"message", "code"}}` (OpenAI), or plain text. The servers have no codes to rely on, so their wording decides.
 */
export function readServerError(body: string): ServerError {
  const { message, code } = readDetail(body);
  if (CONTEXT_OVERFLOW.some((wording) => wording.test(message)))
    return { code: 'context_overflow', text: message };
  if (/no models? (?:is |are )?(?:currently )?loaded/i.test(message))
    return { code: 'no_model', text: message };
  // LM Studio gives its code model_not_found to a model that is there and could not be loaded, too.
  const couldNotLoad = /fail\w* to load|error loading|insufficient/i.test(message);
  const notFound = /\bmodel\b.{0,300}\b(?:not found|does not exist|not exist)/is.test(message);
  if (!couldNotLoad && (notFound || code === 'model_not_found'))
    return { code: 'model_not_found', text: message };
  return { code: 'backend_error', text: message };
}

function readDetail(body: string): { message: string; code?: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { message: body };
  }
  const read = bodySchema.safeParse(value);
  return read.success ? read.data : { message: body };
}
