import { createHash } from 'node:crypto';
import type { TaskRequest } from '../protocol/request.js';
import type { TaskJson } from '../protocol/task.js';
import { ApiError } from './api-errors.js';
import type { AskedCall } from './asked-call.js';

/** What makes two calls the same call. `metadata`: that of the task, of which `store` counts. */
export type CallIdentity = Pick<AskedCall, 'path' | 'body' | 'token' | 'localOnly' | 'metadata'>;

/** A hash that two calls share where they come with the same token, ask the same and forbid the same. */
export function contentOf({ path, body, token, localOnly, metadata }: CallIdentity): string {
  const isStored = metadata?.store !== 'false';
  const text = JSON.stringify([token, path, sorted(body), localOnly === true, isStored]);
  return createHash('sha256').update(text).digest('hex');
}

/** The same of a call in the record. */
export function identityOf(
  task: Pick<TaskJson, 'local_only' | 'metadata'>,
  request: TaskRequest,
): CallIdentity {
  const { local_only, metadata = {} } = task;
  return { ...request, token: metadata.token ?? null, localOnly: local_only === true, metadata };
}

/** The key by which a client finds its call, though another one listens to it; null where it sent none. */
export function keyOf({ token, idempotencyKey }: Pick<AskedCall, 'token' | 'idempotencyKey'>): string | null {
  return idempotencyKey === null ? null : JSON.stringify([token, idempotencyKey]);
}

/** Reads the header `Idempotency-Key`; null where there is none. Throws ApiError 400 for what is no key. */
export function readIdempotencyKey(header: string | null | undefined): string | null {
  if (header == null) return null;
  if (/^[\x20-\x7e]{1,255}$/.test(header)) return header;
  throw new ApiError('Idempotency-Key must have 1 to 255 visible characters', { status: 400 });
}

/** The same value with the fields of objects in order: in the record they may have another order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}
