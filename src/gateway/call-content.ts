import { createHash } from 'node:crypto';
import type { AskedCall } from './asked-call.js';

/** A hash that two calls share where they come with the same token and ask the same. */
export function contentOf(asked: Pick<AskedCall, 'path' | 'body' | 'token' | 'localOnly'>): string {
  const text = JSON.stringify([asked.token, asked.path, sorted(asked.body), asked.localOnly === true]);
  return createHash('sha256').update(text).digest('hex');
}

/** The key by which a client finds its call, though another one listens to it; null where it sent none. */
export function keyOf({ token, idempotencyKey }: Pick<AskedCall, 'token' | 'idempotencyKey'>): string | null {
  return idempotencyKey === null ? null : JSON.stringify([token, idempotencyKey]);
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
