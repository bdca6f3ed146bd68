import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { cancelSchema } from '../../src/protocol/cancel.js';

const folder = new URL('../../docs/vectors/', import.meta.url);

/** How a vector gives bytes: `text` stands for its UTF-8, `base64` and `hex` for bytes as they are. */
export const bytesSchema = z.union([
  z.object({ text: z.string() }),
  z.object({ base64: z.base64() }),
  z.object({ hex: z.hex() }),
]);

/** The bytes of a vector. */
export function bytesOf(given: z.infer<typeof bytesSchema>): Buffer {
  if ('text' in given) return Buffer.from(given.text, 'utf8');
  return 'hex' in given ? Buffer.from(given.hex, 'hex') : Buffer.from(given.base64, 'base64');
}

/**
 * Reads `docs/vectors/<name>.json`, the test vectors of docs/protocol.md. Throws where the file is not as
 * `schema` says.
 */
export async function readVectors<T>(name: string, schema: z.ZodType<T>): Promise<T> {
  return schema.parse(JSON.parse(await readFile(new URL(`${name}.json`, folder), 'utf8')));
}

/** The schema of a file whose one list is `cases`. */
export const casesOf = <T extends z.ZodType>(one: T) => z.object({ cases: z.array(one).min(1) });

/** Cases for `test.each`: the title in front. */
export const titled = <T extends { readonly name: string }>(cases: readonly T[]) =>
  cases.map((one) => [one.name, one] as const);

const named = { name: z.string() };
const taskFile = z.enum(['task.txt', 'task.json']);
const refused = { code: z.enum(['payload', 'limit']) };

/** `docs/vectors/names.json`. */
export const nameVectorsSchema = z.object({
  cases: z.array(z.object({ name: z.string(), ok: z.boolean() })).min(1),
});

/** `docs/vectors/tasks.json`. */
export const taskVectorsSchema = z.object({
  valid: z.array(z.object({ ...named, file: taskFile, task: z.unknown() }).and(bytesSchema)).min(1),
  invalid: z
    .array(
      z.object({ ...named, ...refused, file: taskFile, maxTaskBytes: z.int().optional() }).and(bytesSchema),
    )
    .min(1),
  questions: z.array(z.object({ ...named, task: z.unknown(), question: z.string() })).min(1),
  models: z.array(z.object({ ...named, task: z.unknown(), model: z.string().nullable() })).min(1),
});

/** `docs/vectors/answers.json`. */
export const answerVectorsSchema = z.object({
  valid: z
    .array(
      z.object({ ...named, answer: z.unknown(), status: z.string(), reusable: z.boolean() }).and(bytesSchema),
    )
    .min(1),
  invalid: z
    .array(z.object({ ...named, ...refused, maxAnswerBytes: z.int().optional() }).and(bytesSchema))
    .min(1),
  written: z.array(z.object({ ...named, answer: z.unknown(), bytes: z.string() })).min(1),
});

/** `docs/vectors/cancels.json`. */
export const cancelVectorsSchema = z.object({
  valid: z.array(z.object({ ...named, cancel: z.unknown() }).and(bytesSchema)).min(1),
  invalid: z.array(z.object({ ...named, ...refused }).and(bytesSchema)).min(1),
  written: z
    .array(z.object({ ...named, cancel: cancelSchema, bytes: z.string(), message: z.string() }))
    .min(1),
});

const readMessage = z.object({
  ...named,
  message: z.string(),
  trailers: z.object({ Task: z.string(), 'Task-Hash': z.string(), Status: z.string() }),
});

/** `docs/vectors/trailers.json`. */
export const trailerVectorsSchema = casesOf(readMessage);

/** `docs/vectors/commit-messages.json`. */
export const messageVectorsSchema = z.object({
  ask: z
    .array(z.object({ ...named, task_hash: z.string(), question: z.string(), message: z.string() }))
    .min(1),
  answer: z.array(z.object({ ...named, answer: z.unknown(), message: z.string() })).min(1),
  read: z.array(readMessage).min(1),
});
