import * as z from 'zod';
import { HALF_A_CHARACTER, isWellFormedJson } from './text.js';

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

/** A JSON object as an API takes and gives it: any fields. */
const bodySchema = z.record(z.string(), z.unknown());

/** A call of a model server's API: its path, and the body that would be sent there. */
export const requestSchema = z.strictObject({
  path: z
    .string()
    .regex(
      /^\/[a-z0-9](?:[a-z0-9_/-]{0,61}[a-z0-9])?$/,
      'must be the path of an API, like /v1/chat/completions',
    ),
  body: bodySchema.refine(isWellFormedJson, HALF_A_CHARACTER),
});
export type TaskRequest = z.infer<typeof requestSchema>;

/** What the API answered: its status, and its body as if it had not been streamed. */
export const responseSchema = z.strictObject({
  status: z.int().min(100).max(599),
  body: z.unknown().refine((body) => body !== undefined && isWellFormedJson(body), HALF_A_CHARACTER),
});
export type TaskResponse = z.infer<typeof responseSchema>;

/** The model that a call names; undefined where it names none. */
export function modelOfRequest({ body }: TaskRequest): string | undefined {
  return typeof body.model === 'string' && body.model !== '' ? body.model : undefined;
}

/**
 * The text that a person would call the question of a call: its prompt or input, or the text of the last
 * message of the user; the path where it has none of them.
 */
export function questionOfRequest({ path, body }: TaskRequest): string {
  const conversation = [body.messages, body.input].find(isConversation);
  const last = conversation?.findLast(({ role }) => role === 'user');
  const said = last === undefined ? (body.prompt ?? body.input) : last.content;
  const text = textIn(said);
  return text === '' ? path : text;
}

interface Message {
  readonly role?: unknown;
  readonly content?: unknown;
}

function isConversation(value: unknown): value is Message[] {
  return Array.isArray(value) && value.some((one) => isObject(one) && 'role' in one);
}

/** The text in a content: a text, a list of texts, or of parts that have a `text`. */
function textIn(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part) => (isObject(part) ? part.text : part))
    .filter((text) => typeof text === 'string')
    .join('\n');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
