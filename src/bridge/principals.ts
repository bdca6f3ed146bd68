import { readdirSync } from 'node:fs';
import path from 'node:path';
import { readSmallFile } from '../process/durable-file.js';
import { type Principal, type Role, roleSchema } from '../protocol/names.js';

/** The file of a key on the server: its role and its fingerprint. Without it the key is shut out. */
export function principalFile(gitDir: string, name: string): string {
  return path.join(gitDir, 'bridge', 'principals', name);
}

/** The role of a key at this moment; null where the bridge has no such key, or has removed it. */
export function readRole(gitDir: string, name: string): Role | null {
  const text = readSmallFile(principalFile(gitDir, name)) ?? '';
  return roleSchema.safeParse(/^[a-z]+/.exec(text)?.[0]).data ?? null;
}

/** The keys of a bridge on this machine, by name; empty where they cannot be read. */
export function listPrincipals(gitDir: string): Principal[] {
  let names: string[];
  try {
    names = readdirSync(principalFile(gitDir, ''));
  } catch {
    return [];
  }
  return names.sort().flatMap((name) => {
    const role = readRole(gitDir, name);
    return role === null ? [] : [{ name, role }];
  });
}
