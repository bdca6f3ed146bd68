import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { sessionSchema } from '../protocol/claim.js';

/**
 * The session of a state folder: made at random once and kept there, so that an agent that was killed knows its own claims again. A new
 * one for this run alone where the folder cannot keep it.
 */
export async function openSessionId(stateDir: string): Promise<string> {
  const file = path.join(stateDir, 'session');
  const kept = sessionSchema.safeParse((await readFile(file, 'utf8').catch(() => '')).trim());
  if (kept.success) return kept.data;
  const made = randomBytes(8).toString('hex');
  await writeFileAtomic(file, `${made}\n`, { mode: 0o600 }).catch(() => {});
  return made;
}
