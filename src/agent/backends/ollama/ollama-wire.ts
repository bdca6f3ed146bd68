import * as z from 'zod';

const count = z.int().min(0).optional().catch(undefined);

/** One line of Ollama's `/api/chat` stream. Counts that are none are left out: they are no reason to lose an answer. */
export const ollamaChunkSchema = z.object({
  model: z.string().optional(),
  message: z.object({ content: z.string().default(''), thinking: z.string().nullish() }).optional(),
  done: z.boolean(),
  done_reason: z.string().nullish(),
  prompt_eval_count: count,
  eval_count: count,
});

/** Ollama's `/api/tags`. */
export const ollamaTagsSchema = z.object({
  models: z.array(z.object({ name: z.string() })).nullable(),
});
