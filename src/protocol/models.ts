import * as z from 'zod';
import { agentOfRef, backendNameSchema, modelNameSchema, principalNameSchema } from './names.js';
import { oneLine } from './printable.js';
import { type ReadResult, readExactJson, stringifyEscaped, writeExactJson } from './strict-json.js';
import { instantSchema } from './task.js';

/** The prefix of models refs: one ref per agent, pointing at a blob. They are not part of history. */
export const MODELS_PREFIX = 'refs/bridge/models/';

/**
 * The most bytes of what an agent says of its models: 200 of them with names of 100 letters. Whoever fetches
 * may have to read it from every agent.
 */
export const MAX_MODELS_BYTES = 32 * 1024;

/** The most models that an agent names. People who try them all have some dozens. */
export const MAX_MODELS = 200;

/** The most abilities that an agent names for a model. */
export const MAX_ABILITIES = 8;

/** The abilities that agents name today: the model converses, embeds, sees images, calls tools. */
const ABILITIES = ['chat', 'embed', 'tools', 'vision'] as const;
export type Ability = (typeof ABILITIES)[number];

/** An ability. It is an open word, so that a new one needs no new reader, nor a new server. */
const abilitySchema = z.string().regex(/^[a-z][a-z-]{0,31}$/, 'must be a short lower-case word');

/** A model that an agent has. */
const offeredModelSchema = z.strictObject({
  /** As its model server spells it. */
  name: modelNameSchema.refine(
    (name) => oneLine(name) === name,
    'must be one line without control characters',
  ),
  /** The kind of its model server. It decides how two spellings of a name are compared. */
  backend: backendNameSchema,
  /** What it can do, in the order of the alphabet. Only what its model server says stands here. */
  can: z
    .array(abilitySchema)
    .max(MAX_ABILITIES)
    .refine((words) => words.every((word, at) => at === 0 || (words[at - 1] ?? '') < word), {
      error: 'must be in the order of the alphabet, each once',
    }),
});
export type OfferedModel = z.infer<typeof offeredModelSchema>;

/**
 * The models of an agent, whether it is there or not. It is written only when it changes, and stays when the
 * agent stops or its PC sleeps: a task waits for the one that has its model. So nothing stands here that
 * changes by itself. Which models are in memory does, at every task and some minutes after it, and stands in
 * the presence (`loaded`), which is written every two minutes anyway: a hint who answers soonest is worth no
 * push of its own, and is worth nothing of an agent that is not there.
 */
export const agentModelsSchema = z.strictObject({
  agent: principalNameSchema,
  /** When this was written, by the server's clock as far as the agent knows it. */
  at: instantSchema,
  models: z.array(offeredModelSchema).max(MAX_MODELS),
});
export type AgentModels = z.infer<typeof agentModelsSchema>;

/**
 * The models of an agent as they are written: in the order of backends and names, so that the same models in
 * another order are no change. Models with a name that cannot be written, and those that do not fit, are
 * left out.
 */
export function tellableModels({ models, ...rest }: AgentModels): OfferedModel[] {
  const told = models
    .filter((one) => offeredModelSchema.safeParse(one).success)
    .sort((a, b) => compare(a.backend, b.backend) || compare(a.name, b.name))
    .slice(0, MAX_MODELS);
  let left = MAX_MODELS_BYTES - writeExactJson({ ...rest, models: [] }, agentModelsSchema).length;
  return told.filter((one) => {
    // With the comma behind it.
    left -= Buffer.byteLength(stringifyEscaped(one)) + 1;
    return left >= 0;
  });
}

/** The bytes of an agent's models, those of `tellableModels`. */
export function writeModels(said: AgentModels): Buffer {
  return writeExactJson({ ...said, models: tellableModels(said) }, agentModelsSchema);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Reads the bytes of an agent's models. Accepts only the one form that writeModels gives them. */
export function readModels(bytes: Uint8Array): ReadResult<AgentModels> {
  return readExactJson(bytes, agentModelsSchema, MAX_MODELS_BYTES);
}

/** The ref of an agent's models. */
export function modelsRef(agent: string): string {
  return `${MODELS_PREFIX}${agent}`;
}

/** The agent whose models this ref has, or null where it is no such ref. */
export function agentOfModelsRef(ref: string): string | null {
  return agentOfRef(MODELS_PREFIX, ref);
}
