import * as z from 'zod';
import { BackendError } from '../backend.js';
import { backendError } from '../backend-failure.js';
import type { CalledBackend } from '../called-backend.js';
import { getJson } from '../get-json.js';

const remote = { remote_host: z.string().nullish(), remote_model: z.string().nullish() };

const capabilities = z.array(z.string()).nullish().catch(undefined);

/** What Ollama has read of a model's file for the list. */
const details = z.object({ context_length: z.int().optional() }).nullish().catch(undefined);

const listedModelSchema = z.object({
  name: z.string(),
  digest: z.string().optional(),
  capabilities,
  details,
  ...remote,
});

/** A model as `/api/tags` has it. */
export type Tagged = z.infer<typeof listedModelSchema>;

/** `/api/tags`. Older versions do not say the capabilities. */
const tagsSchema = z.object({ models: z.array(listedModelSchema).nullable() });

/** `/api/show`. Versions before 0.6.4 do not say the capabilities. */
const showSchema = z.object({
  capabilities,
  model_info: z.record(z.string(), z.unknown()).nullish().catch(undefined),
  ...remote,
});

/** What `/api/show` says of a model. */
export type Shown = z.infer<typeof showSchema>;

/** `/api/ps`. Older versions do not say the context. */
const loadedSchema = z.object({
  models: z
    .array(z.object({ name: z.string(), context_length: z.int().min(1).optional().catch(undefined) }))
    .nullable(),
});

/** A model in memory, with its context in tokens where the server says it. */
export interface LoadedModel {
  readonly name: string;
  readonly context: number | null;
}

/** The server that is called, and what ends the call. */
export interface Server {
  readonly about: CalledBackend;
  readonly signal: AbortSignal;
}

/** Its version, as far as it says one: three numbers; null where they are none, or all 0 (built by hand). */
export async function ollamaVersion(
  about: CalledBackend,
  signal: AbortSignal,
): Promise<readonly number[] | null> {
  const read = z.object({ version: z.string() }).safeParse(await call({ about, signal }, '/api/version'));
  const numbers = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})/.exec(read.success ? read.data.version : '');
  const version = numbers?.slice(1).map(Number) ?? [];
  return version.some((number) => number > 0) ? version : null;
}

/** The models of `/api/tags`. Throws BackendError. */
export async function readTags(server: Server) {
  const tags = tagsSchema.safeParse(await call(server, '/api/tags'));
  if (!tags.success)
    throw backendError(server.about, 'backend_error', 'sent a list of models that cannot be read');
  return tags.data.models ?? [];
}

/**
 * The models in memory. This is a hint: a model of an old server that does not say it is asked all the same.
 */
export async function readLoaded(server: Server): Promise<LoadedModel[]> {
  const said = await call(server, '/api/ps').catch(ignoreRefusal);
  const read = loadedSchema.safeParse(said);
  const models = read.success ? (read.data.models ?? []) : [];
  return models.map(({ name, context_length }) => ({ name, context: context_length ?? null }));
}

/** What the server says of one model, by its own rules for names. Throws BackendError. */
export async function show(server: Server, model: string): Promise<Shown> {
  // Old versions read `name`.
  const shown = showSchema.safeParse(await call(server, '/api/show', { model, name: model }));
  if (shown.success) return shown.data;
  throw backendError(server.about, 'backend_error', `what it says of ${model} cannot be read`);
}

/**
 * Null where the server answered with an error; throws where it cannot be reached, or the signal's reason.
 */
export function ignoreRefusal(error: unknown): null {
  if (error instanceof BackendError && error.code !== 'backend_unreachable') return null;
  throw error;
}

async function call({ about, signal }: Server, path: string, body?: unknown): Promise<unknown> {
  return await getJson(about, `${about.url}${path}`, signal, body);
}
