import { createHash } from 'node:crypto';
import * as z from 'zod';
import { DEFAULT_MAX_TASK_BYTES, MAX_PRIORITY } from './limits.js';
import { backendNameSchema, commitIdSchema, modelNameSchema, type TaskFile } from './names.js';
import { modelOfRequest, questionOfRequest, requestSchema } from './request.js';
import { type ReadResult, readStrictJson, readUtf8 } from './strict-json.js';
import { HALF_A_CHARACTER, isBlank, isWellFormed, isWellFormedJson, textOf, textSchema } from './text.js';

const nonBlank = (what: string) => textSchema.refine((text) => !isBlank(text), `${what} is empty`);

/** One turn of a conversation. */
const chatMessageSchema = z.strictObject({
  role: z.enum(['system', 'user', 'assistant']),
  content: textSchema,
});
export type ChatMessage = z.infer<typeof chatMessageSchema>;

/**
 * How to generate. The names are OpenAI's where OpenAI has one, else Ollama's; each
 * backend maps them to its own names.
 */
export const taskOptionsSchema = z.strictObject({
  temperature: z.number().min(0).max(10).optional(),
  top_p: z.number().min(0).max(1).optional(),
  max_tokens: z.int().min(1).optional(),
  num_ctx: z.int().min(1).optional(),
  seed: z.int().optional(),
  stop: z.array(textSchema.min(1)).min(1).max(16).optional(),
});
export type TaskOptions = z.infer<typeof taskOptionsSchema>;

/** `"json"`, or a JSON Schema that the answer must fit. */
export const taskFormatSchema = z
  .union([z.literal('json'), z.record(z.string(), z.unknown())], {
    error: 'must be "json" or a JSON Schema object',
  })
  .refine(isWellFormedJson, HALF_A_CHARACTER);
export type TaskFormat = z.infer<typeof taskFormatSchema>;

/**
 * A time as messages write it: ISO 8601, UTC, milliseconds (`2026-11-22T17:02:27.123Z`), of the years 1 to
 * 9999: the dates of many languages have no year 0.
 */
export const instantSchema = z.iso
  .datetime({ precision: 3, error: 'must be like 2026-11-22T17:02:27.123Z' })
  .refine((text) => !text.startsWith('0000'), { error: 'must be of the year 1 or later' });

/** The asker's own words to a task. They stay with it, and are in the record of its answer. */
export const metadataSchema = z
  .record(z.string(), textSchema)
  .refine((data) => Object.keys(data).every(isWellFormed), `has a key that ${HALF_A_CHARACTER}`);

/** What the body of a request says in its own words, or what a request has not. */
const NOT_WITH_REQUEST = ['system', 'model', 'options', 'format', 'images', 'reply_to'] as const;

/** `task.json`. */
export const taskJsonSchema = z
  .strictObject({
    id: textOf(1, 128).optional(),
    prompt: nonBlank('the prompt').optional(),
    messages: z.array(chatMessageSchema).min(1).optional(),
    request: requestSchema.optional(),
    system: textSchema.optional(),
    model: modelNameSchema.optional(),
    backend: backendNameSchema.optional(),
    options: taskOptionsSchema.optional(),
    format: taskFormatSchema.optional(),
    images: z
      .array(z.base64({ error: 'must be base64' }).min(1))
      .min(1)
      .max(16)
      .optional(),
    reply_to: commitIdSchema.optional(),
    priority: z.int().min(-MAX_PRIORITY).max(MAX_PRIORITY).optional(),
    timeout_s: z.number().positive().max(604_800).optional(),
    stream: z.boolean().optional(),
    local_only: z.boolean().optional(),
    asked_at: instantSchema.optional(),
    metadata: metadataSchema.optional(),
  })
  .refine(
    (task) => [task.prompt, task.messages, task.request].filter((one) => one !== undefined).length === 1,
    {
      error: 'needs exactly one of "prompt", "messages" and "request"',
    },
  )
  .superRefine((task, context) => {
    if (task.request === undefined) return;
    if (task.id === undefined) context.addIssue({ code: 'custom', message: 'a "request" needs an "id"' });
    for (const field of NOT_WITH_REQUEST) {
      if (task[field] === undefined) continue;
      const message = 'does not go with "request": it is in the body of the call';
      context.addIssue({ code: 'custom', message, path: [field] });
    }
  })
  .refine((task) => task.messages === undefined || task.messages.some((message) => message.role === 'user'), {
    error: 'needs at least one message of the role "user"',
    path: ['messages'],
  });
export type TaskJson = z.infer<typeof taskJsonSchema>;

/**
 * Reads the bytes of a task file. A `task.txt` is a prompt, byte for byte; it becomes `{prompt}`. The reason
 * for a refusal is worded to follow the name of the file: `task.json options.top_p: Too big`.
 */
export function readTask(
  file: TaskFile,
  bytes: Uint8Array,
  maxBytes = DEFAULT_MAX_TASK_BYTES,
): ReadResult<TaskJson> {
  if (bytes.length > maxBytes) {
    return { ok: false, reason: `has ${bytes.length} bytes; the limit is ${maxBytes}` };
  }
  if (file === 'task.json') return readStrictJson(bytes, taskJsonSchema);
  const text = readUtf8(bytes);
  if (!text.ok) return text;
  if (isBlank(text.value)) return { ok: false, reason: 'is empty' };
  return { ok: true, value: { prompt: text.value } };
}

/** The priority of a task, from -10 to 10; 0 where the task sets none. Higher goes first. */
export function priorityOf(task: TaskJson): number {
  return task.priority ?? 0;
}

/**
 * The source of a task, by which pending tasks take turns: its asker, and the program behind a gateway,
 * which `metadata.token` names. `task` is null for what is none.
 */
export function sourceOf(asker: string, task: Pick<TaskJson, 'metadata'> | null): string {
  return `${asker}\n${task?.metadata?.token ?? ''}`;
}

/** The model that a task names, in a field or in the body of its request; undefined where it names none. */
export function modelOf(task: Pick<TaskJson, 'model' | 'request'>): string | undefined {
  return task.request === undefined ? task.model : modelOfRequest(task.request);
}

/**
 * The text that a person would call the question: the prompt, or the last text of a message of the user. In
 * a request, what stands for them there (`questionOfRequest`).
 */
export function questionOf(task: TaskJson): string {
  return questionOfRequest(task.request ?? { path: '', body: task });
}

/**
 * The whole conversation to send: `system` first, then `messages`, or the prompt as one message. Not for a
 * request, which is sent as it is.
 */
export function conversationOf(task: TaskJson): ChatMessage[] {
  const system: ChatMessage[] = task.system === undefined ? [] : [{ role: 'system', content: task.system }];
  return [...system, ...(task.messages ?? [{ role: 'user', content: task.prompt ?? '' }])];
}

/** `task_hash`: the SHA-256 of a task file's bytes, 64 lower-case hex digits. Equal hash, equal task. */
export function taskHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
