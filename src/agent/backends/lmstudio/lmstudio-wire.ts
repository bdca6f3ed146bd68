import * as z from 'zod';

const count = z.int().min(0).optional().catch(undefined);
const text = z.string().nullish();

/**
 * One event of a `/v1/chat/completions` stream. Reasoning comes as `reasoning_content`, of gpt-oss as `reasoning`. Counts that
 * are none are left out: they are no reason to lose an answer.
 */
export const lmstudioChunkSchema = z.object({
  model: z.string().optional(),
  choices: z.array(
    z.object({
      delta: z.object({ content: text, reasoning_content: text, reasoning: text }).optional(),
      finish_reason: text,
    }),
  ),
  usage: z.object({ prompt_tokens: count, completion_tokens: count }).nullish().catch(undefined),
});
export type LmstudioChunk = z.infer<typeof lmstudioChunkSchema>;

/** `/v1/models`. */
export const lmstudioModelsSchema = z.object({ data: z.array(z.object({ id: z.string() })) });
