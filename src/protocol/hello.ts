import * as z from 'zod';
import { principalNameSchema, roleSchema } from './names.js';

/**
 * The line that `bridge-hello` prints: the name and role of the key, the protocol of the
 * server, its time, and its limits.
 */
export const helloSchema = z.object({
  name: principalNameSchema,
  role: roleSchema,
  protocol: z.int().min(1),
  /** ISO 8601, UTC, whole seconds: POSIX `date` prints no fractions. */
  time: z.iso.datetime(),
  /** `bridge.taskTtl` as set: `7d`. */
  task_ttl: z.string(),
  max_task_bytes: z.int().positive(),
  max_answer_bytes: z.int().positive(),
  /** `bridge.claimLease` as set: `60s`. A server that leaves it out takes no claims. */
  claim_lease: z.string().optional(),
});
export type Hello = z.infer<typeof helloSchema>;
