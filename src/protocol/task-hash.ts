import { createHash } from 'node:crypto';

/** `task_hash`: the SHA-256 of a task file's bytes, 64 lower-case hex digits. Equal hash, equal task. */
export function taskHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
