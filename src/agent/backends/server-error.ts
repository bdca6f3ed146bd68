import * as z from 'zod';
import type { AnswerErrorCode } from '../../protocol/answer.js';
import { MAX_SEARCHED_CHARS } from './failure-rules.js';

/** What a model server said went wrong. */
export interface ServerError {
  readonly code: Extract<
    AnswerErrorCode,
    'context_overflow' | 'no_model' | 'model_not_found' | 'model_cannot_chat' | 'backend_error'
  >;
  /** Its own words, not cleaned and not bounded. */
  readonly text: string;
}

const count = z.int().min(0).optional().catch(undefined);
const detailSchema = z.union([
  z.string().transform((message) => ({ message, code: undefined })),
  z
    .object({ message: z.string(), code: z.unknown().optional(), n_prompt_tokens: count, n_ctx: count })
    .transform(({ message, code, ...counts }) => ({ message: withCounts(message, counts), code })),
]);
/** `{"detail": …}` is what the web servers in Python say: FastAPI under vLLM, KoboldCpp. */
const pythonSchema = z.union([
  z.string().transform((message) => ({ message, code: undefined })),
  z.object({ msg: z.string() }).transform(({ msg }) => ({ message: msg, code: undefined })),
]);
const bodySchema = z.union([
  z.object({ error: detailSchema }).transform((body) => body.error),
  z.object({ detail: pythonSchema }).transform((body) => body.detail),
  detailSchema,
]);

/**
 * What the servers say of a prompt that does not fit, from their sources and issue trackers: Ollama: "the
 * input length exceeds the context length", "prompt too long; exceeded max context length by 812 tokens",
 * "the prompt is longer than the context length currently available to the model"; llama.cpp in either: "the
 * request exceeds the available context size", "Context size has been exceeded"; LM Studio: "Trying to keep
 * the first 15857 tokens when context the overflows" (sic; lmstudio-bug-tracker 237, 546), "Cannot truncate
 * prompt with n_keep (15028) >= n_ctx (7424)", "The number of tokens to keep from the initial prompt is
 * greater than the context length", "Reached context length of 4096 tokens"; OpenAI's own, and vLLM's:
 * "maximum context length is". llama.cpp with context shift: "input (8123 tokens) is larger than the max
 * context size (4096 tokens)"; vLLM besides: "the model's context length is only 8192 tokens"
 * (vllm/renderers/params.py), "The decoder prompt (length 9000) is longer than the maximum model length of
 * 8192" (vllm/v1/engine/processor.py), "max_tokens must be at least 1, got -186" (vllm-project/vllm#4667).
 * LocalAI repeats what its llama.cpp or vLLM said, behind "rpc error: code = … desc = "
 * (core/http/endpoints/openai/backend_errors.go).
 */
const CONTEXT_OVERFLOW = [
  /exceed\w{0,8} .{0,60}context (?:length|size|window)/i,
  /context (?:length|size|window) .{0,40}exceeded/i,
  /context (?:length|size|window) exceeded/i,
  /keep the first \d+ tokens/i,
  /tokens to keep from the initial prompt/i,
  /n_keep.{0,40}n_ctx/i,
  /context (?:the )?overflow/i,
  /longer than the context length/i,
  /reached context length/i,
  /maximum context length/i,
  /larger than the max context size/i,
  /context length is only/i,
  /longer than the maximum model length/i,
  /max_tokens must be at least 1, got -/i,
  /prompt (?:is )?too long/i,
];

/**
 * Reads the body of an error response, or an error's bare text: `{"error": "…"}` (Ollama, and LM Studio
 * for some), `{"error": {"message", "code"}}` (OpenAI), `{"message", "code"}` (older vLLM), `{"detail":
 * …}` (KoboldCpp), or plain text (Jan). The servers have no codes to rely on, so their wording decides.
 */
export function readServerError(body: string): ServerError {
  const { message: text, code } = readDetail(body);
  const message = text.slice(0, MAX_SEARCHED_CHARS);
  if (CONTEXT_OVERFLOW.some((wording) => wording.test(message))) return { code: 'context_overflow', text };
  // The second is Jan's: src-tauri/src/core/server/proxy.rs.
  if (/no models? (?:is |are )?(?:currently )?(?:loaded|available)/i.test(message)) {
    return { code: 'no_model', text };
  }
  // Ollama's server/routes.go, and llama.cpp's tools/server/server-context.cpp: the model makes embeddings.
  if (/" does not support (?:chat|generate)$|does not support logits computation/.test(message))
    return { code: 'model_cannot_chat', text };
  // LM Studio also gives the code model_not_found to a model that is there and could not be loaded.
  const couldNotLoad = /fail\w{0,8} to load|error loading|insufficient/i.test(message);
  const notFound =
    /\bmodel\b.{0,300}\b(?:not found|does not exist|not exist)|no running session found for model/is.test(
      message,
    );
  if (!couldNotLoad && (notFound || code === 'model_not_found')) return { code: 'model_not_found', text };
  return { code: 'backend_error', text };
}

/** Adds the counts: older llama.cpp has them beside its words and not in them (ggml-org/llama.cpp#15780). */
function withCounts(message: string, counts: Readonly<Record<string, number | undefined>>): string {
  const missing = Object.entries(counts).filter(([, n]) => n !== undefined && !message.includes(String(n)));
  const words = missing.map(([name, n]) => `${name}: ${n}`).join(', ');
  return words === '' ? message : `${message} (${words})`;
}

function readDetail(body: string): { message: string; code?: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { message: body };
  }
  const read = bodySchema.safeParse(value);
  if (!read.success) return { message: body };
  // Ollama repeats what llama-server said as it is: the text of its error is the JSON of an error.
  const { message } = read.data;
  return message.startsWith('{"error"') && message !== body ? readDetail(message) : read.data;
}

/** `Thu, 26 Nov 2026 17:30:00 GMT`, and the two older forms (RFC 9110, section 5.6.7): a day goes first. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? [\w: -]{10,30}$/;

/**
 * How long a `Retry-After` asks to wait, in milliseconds from `nowMs` on: whole seconds, or an HTTP date, of
 * which one in the past is 0. Null where there is none, or what it says is neither. It is not bounded: the
 * caller has a limit of its own.
 */
export function readRetryAfter(value: string | null, nowMs: number): number | null {
  const text = value?.trim() ?? '';
  if (/^\d{1,15}$/.test(text)) return Number(text) * 1000;
  if (!HTTP_DATE.test(text)) return null;
  // The oldest form names no zone, and means this one.
  const atMs = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}
