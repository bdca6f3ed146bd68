import * as z from 'zod';
import { isJsonObject } from './json-object.js';
import { HALF_A_CHARACTER, isBlank, isWellFormedJson } from './text.js';

/**
 * The API calls that agents of this version pass on. The protocol takes any path of the form of
 * `requestSchema`, so that a new one needs no new server; an agent that does not know it answers with
 * `request_refused`.
 */
export const REQUEST_PATHS = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/responses',
  '/v1/messages',
  '/api/chat',
  '/api/generate',
  '/api/embed',
  '/api/embeddings',
] as const;
export type RequestPath = (typeof REQUEST_PATHS)[number];

/** Whether agents of this version know a path. */
export function isRequestPath(path: string): path is RequestPath {
  return (REQUEST_PATHS as readonly string[]).includes(path);
}

/** The most characters of the path of a call: twice the longest of today. */
const MAX_PATH_CHARS = 64;

/** A call of a model server's API: its path, and the body that would be sent there. */
export const requestSchema = z.strictObject({
  path: z
    .string()
    .max(MAX_PATH_CHARS)
    .regex(/^(?:\/[a-z0-9][a-z0-9_-]*)+$/, 'must be the path of an API, like /v1/chat/completions'),
  /** Any object: only the agent knows the fields of an API. */
  body: z.record(z.string(), z.unknown()).refine(isWellFormedJson, HALF_A_CHARACTER),
});
export type TaskRequest = z.infer<typeof requestSchema>;

/** The first status of a response that is a refusal. */
const FIRST_REFUSAL = 400;

/** What the API answered: its status, and its body as if it had not been streamed. */
export const responseSchema = z.strictObject({
  /** A status below 200 is no answer yet. */
  status: z.int().min(200).max(599),
  /** Any JSON value. A field of the type unknown may be undefined for zod; this one may not. */
  body: z
    .unknown()
    .refine((body): boolean => body !== undefined, 'is missing')
    .refine(isWellFormedJson, HALF_A_CHARACTER),
});
export type TaskResponse = z.infer<typeof responseSchema>;

/** Whether the API refused the call: then the answer to its task is an error. */
export function isRefusal(response: Pick<TaskResponse, 'status'>): boolean {
  return response.status >= FIRST_REFUSAL;
}

/** The model that a call names; undefined where it names none. */
export function modelOfRequest({ body }: TaskRequest): string | undefined {
  return typeof body.model === 'string' && body.model !== '' ? body.model : undefined;
}

/**
 * The text that a person would call the question of a call: that of the last message of the user that has
 * any, else of its `prompt`, else of its `input`; the path where there is none. A message that only brings
 * an image or the results of tools has no text.
 */
export function questionOfRequest({ path, body }: TaskRequest): string {
  const messages = [body.messages, body.input].filter(Array.isArray).flat().filter(isJsonObject);
  const said = messages.filter(({ role }) => role === 'user').map(({ content }) => textIn(content));
  return [...said.reverse(), textIn(body.prompt), textIn(body.input)].find((text) => !isBlank(text)) ?? path;
}

/** The text in a content: the lines of its texts, and of its parts that have a `text`. */
function textIn(content: unknown): string {
  return (Array.isArray(content) ? content : [content])
    .map((part: unknown) => (isJsonObject(part) ? part.text : part))
    .filter((text) => typeof text === 'string')
    .join('\n');
}
