import * as z from 'zod';
import { commitIdSchema } from './names.js';
import { type ReadResult, readStrictJson, stringifyEscaped } from './strict-json.js';
import { instantSchema } from './task.js';
import { isBlank, textOf } from './text.js';

/** The longest reason, in characters: a sentence or two for whoever reads the log. */
export const MAX_REASON_CHARS = 1000;

/**
 * The most bytes of a `cancel.json`: each character of the reason may take six bytes as an escape; the
 * rest is room for the other fields.
 */
export const MAX_CANCEL_BYTES = 8192;

/** Why a task is cancelled. */
export const reasonSchema = textOf(1, MAX_REASON_CHARS).refine((text) => !isBlank(text), 'is empty');

/** `cancel.json`: the asker of a task, or the owner, no longer wants its answer. */
export const cancelSchema = z.strictObject({
  task_commit: commitIdSchema,
  reason: reasonSchema.optional(),
  cancelled_at: instantSchema,
});
export type Cancel = z.infer<typeof cancelSchema>;

/** Reads the bytes of a `cancel.json`. The reason for a refusal is worded to follow the name of the file. */
export function readCancel(bytes: Uint8Array): ReadResult<Cancel> {
  if (bytes.length > MAX_CANCEL_BYTES)
    return { ok: false, reason: `has ${bytes.length} bytes; the limit is ${MAX_CANCEL_BYTES}` };
  return readStrictJson(bytes, cancelSchema);
}

/** The bytes of a `cancel.json`, in the form of `inbox.json`: two spaces of indent and a final newline. */
export function writeCancel(cancel: Cancel): Buffer {
  return Buffer.from(`${stringifyEscaped(cancel, 2)}\n`, 'utf8');
}
