import * as z from 'zod';
import { isJsonObject } from '../../protocol/json-object.js';

const named = z.object({ message: z.string() });
/** vLLM before 0.10 sends the body of an error without its name. */
const bareError = z.object({ object: z.literal('error'), message: z.string() });
const failedResponse = z.object({
  type: z.literal('response.failed'),
  response: z.object({ error: named.nullish() }),
});
const errorEvent = z.object({ type: z.literal('error'), message: z.string() });

/**
 * The error that came in place of an answer, or of an event of one, for `readServerError`: its words, or all
 * of it as JSON. Null where it is no error. The forms are `error` (all servers), an event of the type
 * `error` or `response.failed` (`/v1/responses`), and the bare body of older vLLM.
 */
export function errorIn(value: Readonly<Record<string, unknown>>): string | null {
  const { error } = value;
  // The body of `/v1/responses` has the field, and null in it.
  if (error !== undefined && error !== null) {
    return typeof error === 'string' ? error : JSON.stringify({ error });
  }
  const failed = failedResponse.safeParse(value);
  if (failed.success) return failed.data.response.error?.message ?? 'the response failed';
  const bare = z.union([bareError, errorEvent]).safeParse(value);
  return bare.success ? bare.data.message : null;
}

/** The model that answers, where an answer, or an event of one, says it. */
export function modelIn(value: Readonly<Record<string, unknown>>): string | undefined {
  const said = [value, value.response, value.message].map((one) =>
    isJsonObject(one) ? one.model : undefined,
  );
  return said.find((model): model is string => typeof model === 'string' && model !== '');
}
