import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { StandInRequest, WireName } from './stand-in-request.js';
import { type Plain, plainJson } from './wire.js';

const inputSchema = z.union([z.string(), z.array(z.string()).min(1)]);
const v1Schema = z.object({
  model: z.string(),
  input: inputSchema,
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
});
const embedSchema = z.object({
  model: z.string(),
  input: inputSchema,
  dimensions: z.int().min(1).nullish(),
});
const oldSchema = z.object({ model: z.string(), prompt: z.string() });

/** The paths that make embeddings. */
export type EmbeddingPath = '/v1/embeddings' | '/api/embed' | '/api/embeddings';

/** Whether a path makes embeddings. */
export function isEmbeddingPath(path: string): path is EmbeddingPath {
  return path === '/v1/embeddings' || path === '/api/embed' || path === '/api/embeddings';
}

/** A request for embeddings, and how its answer is written. */
export interface EmbeddingCall {
  readonly request: StandInRequest;
  /** The answer, by the model of this name. */
  answer(model: string): Plain;
}

/** How many numbers an embedding of the stand-in has where none are asked for. */
const EMBEDDING_DIMENSIONS = 8;

/** Reads a request for embeddings; null where its form is wrong. */
export function readEmbeddings(wire: WireName, path: EmbeddingPath, body: unknown): EmbeddingCall | null {
  if (path === '/api/embeddings') {
    const read = oldSchema.safeParse(body);
    if (!read.success) return null;
    const { model, prompt } = read.data;
    return {
      request: requestOf(wire, path, model, [prompt]),
      answer: () => plainJson(200, { embedding: embeddingOf(prompt) }),
    };
  }
  const read = path === '/api/embed' ? embedSchema.safeParse(body) : v1Schema.safeParse(body);
  if (!read.success) return null;
  const { model, input, dimensions } = read.data;
  const inputs = typeof input === 'string' ? [input] : input;
  const vectors = inputs.map((text) => embeddingOf(text, dimensions ?? EMBEDDING_DIMENSIONS));
  const tokens = inputs.join(' ').split(/\s+/).length;
  const isBase64 = 'encoding_format' in read.data && read.data.encoding_format === 'base64';
  return {
    request: requestOf(wire, path, model, inputs),
    answer: (answering) =>
      path === '/api/embed'
        ? plainJson(200, {
            model: answering,
            embeddings: vectors,
            total_duration: 2_000_000,
            load_duration: 1_000_000,
            prompt_eval_count: tokens,
          })
        : plainJson(200, {
            object: 'list',
            data: vectors.map((vector, index) => ({
              object: 'embedding',
              embedding: isBase64 ? base64Of(vector) : vector,
              index,
            })),
            model: answering,
            usage: { prompt_tokens: tokens, total_tokens: tokens },
          }),
  };
}

/** The embedding of a text: always the same, of length 1, each number a float of 32 bits. */
function embeddingOf(text: string, dimensions = EMBEDDING_DIMENSIONS): number[] {
  const numbers = Array.from({ length: dimensions }, (_, at) => {
    return createHash('sha256').update(`${at} ${text}`).digest().readInt16BE(0) + 0.5;
  });
  const length = Math.hypot(...numbers);
  return numbers.map((one) => Math.fround(one / length));
}

/** OpenAI's `base64`: floats of 32 bits, the low byte first. */
function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [at, number] of vector.entries()) bytes.writeFloatLE(number, at * 4);
  return bytes.toString('base64');
}

function requestOf(
  wire: WireName,
  path: EmbeddingPath,
  model: string,
  inputs: readonly string[],
): StandInRequest {
  const conversation = inputs.join('\n');
  return {
    wire,
    path,
    model,
    question: conversation,
    conversation,
    stream: false,
    hasImages: false,
    includeUsage: true,
    format: undefined,
    numCtx: null,
    truncate: true,
    shift: false,
    tools: [],
    choices: 1,
    logprobs: null,
  };
}
