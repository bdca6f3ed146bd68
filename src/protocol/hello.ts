import * as z from 'zod';
import { principalNameSchema, roleSchema } from './names.js';

/** The line `bridge-hello` prints: who the key is, what the server speaks, what time it is there, and its limits. */
export const helloSchema = z.object({
  name: principalNameSchema,
  role: roleSchema,
  protocol: z.int().min(1),
  /** ISO 8601, UTC, seconds: what POSIX `date` can say. */
  time: z.iso.datetime(),
  /** `bridge.taskTtl` as set: `7d`. */
  task_ttl: z.string(),
  max_task_bytes: z.int().positive(),
  max_answer_bytes: z.int().positive(),
  /** `bridge.claimLease` as set: `60s`. A server that does not say it takes no claims. */
  claim_lease: z.string().optional(),
});
export type Hello = z.infer<typeof helloSchema>;
