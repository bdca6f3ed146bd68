import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';

/**
 * Writes an object of any kind, valid or not, as `git hash-object -w --literally` does, and returns its id.
 * It takes no process, and there is no fsync: a test has hundreds of them. Works in repositories of either
 * hash.
 */
export function writeObjectFile(gitDir: string, type: string, content: string | Uint8Array): string {
  const bytes = Buffer.from(content);
  const whole = Buffer.concat([Buffer.from(`${type} ${bytes.length}\0`), bytes]);
  const id = createHash(hashOf(gitDir)).update(whole).digest('hex');
  const file = objectFile(gitDir, id);
  if (existsSync(file)) return id;
  mkdirSync(dirname(file), { recursive: true });
  // Whoever reads meanwhile finds all of it or nothing.
  const temporary = `${dirname(file)}/tmp_obj_${randomUUID()}`;
  writeFileSync(temporary, deflateSync(whole, { level: 1 }), { mode: 0o444 });
  renameSync(temporary, file);
  return id;
}

/** The content of an object that stands in a file of its own; null where it does not. */
export function readObjectFile(gitDir: string, id: string): Buffer | null {
  if (!/^[0-9a-f]{40,64}$/.test(id) || !existsSync(objectFile(gitDir, id))) return null;
  const whole = inflateSync(readFileSync(objectFile(gitDir, id)));
  return whole.subarray(whole.indexOf(0) + 1);
}

function objectFile(gitDir: string, id: string): string {
  return join(gitDir, 'objects', id.slice(0, 2), id.slice(2));
}

function hashOf(gitDir: string): 'sha1' | 'sha256' {
  return /objectformat\s*=\s*sha256/i.test(readFileSync(join(gitDir, 'config'), 'utf8')) ? 'sha256' : 'sha1';
}
