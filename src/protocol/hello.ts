import * as z from 'zod';
import { principalNameSchema, roleSchema } from './names.js';

/** The feature of a server with `bridge-say` and `bridge-listen`. */
export const STREAMS_FEATURE = 'streams';

/** The feature of a server whose `bridge-say` may be told its task by its first line. */
export const SAY_AHEAD_FEATURE = 'say-ahead';

/** The feature of a server with `bridge-fetch`. */
export const FETCH_AHEAD_FEATURE = 'fetch-ahead';

/** The feature of a server with `bridge-push`. */
export const PUSH_AHEAD_FEATURE = 'push-ahead';

/** The feature of a server that takes what agents have (`models.ts`), and `loaded` in a presence. */
export const MODELS_FEATURE = 'models';

/** The feature of a server that takes API calls as tasks (`request.ts`). */
export const REQUESTS_FEATURE = 'requests';

/**
 * The feature of a server that takes what a standby needs: `after_s` in a presence, `local_only` in a task,
 * and `cloud` in an answer. An older one refuses each of them.
 */
export const STANDBY_FEATURE = 'standby';

/** The feature of a server with `bridge-window`. */
export const WINDOW_FEATURE = 'window';

/**
 * What a server can do beyond protocol 2, as words that `bridge-hello` prints. A client uses only what it
 * finds here, so a new feature needs no new version of the protocol.
 */
export const FEATURES: readonly string[] = [
  FETCH_AHEAD_FEATURE,
  MODELS_FEATURE,
  PUSH_AHEAD_FEATURE,
  REQUESTS_FEATURE,
  SAY_AHEAD_FEATURE,
  STANDBY_FEATURE,
  STREAMS_FEATURE,
  WINDOW_FEATURE,
];

/**
 * The line that `bridge-hello` prints: the name and role of the key, the protocol of the
 * server, its time, and its limits.
 */
export const helloSchema = z.object({
  name: principalNameSchema,
  role: roleSchema,
  protocol: z.int().min(1),
  /**
   * UTC, in milliseconds. A server of protocol 1 prints whole seconds; it is read so that it can be told.
   */
  time: z.iso.datetime(),
  /** `bridge.taskTtl` as set: `7d`. */
  task_ttl: z.string(),
  max_task_bytes: z.int().positive(),
  max_answer_bytes: z.int().positive(),
  /** `bridge.claimLease` as set: `60s`. A server that leaves it out takes no claims. */
  claim_lease: z.string().optional(),
  /** A word that a reader does not know is ignored. A server of protocol 1 prints no such field. */
  features: z.array(z.string()).default([]),
  /** False where a push cannot be written, mostly because the disk is full; a server may leave it out. */
  writable: z.boolean().optional(),
});
export type Hello = z.infer<typeof helloSchema>;

/** All that is read of the hello of another protocol, whatever else it says. */
export const helloVersionSchema = z.looseObject({ protocol: z.int().min(1) });
