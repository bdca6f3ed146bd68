import * as z from 'zod';
import { BridgeError } from './bridge-error.js';
import { textOf } from './text.js';

/** The one branch of a bridge. */
export const MAIN_REF = 'refs/heads/main';

/** The file an agent answers in. */
export const INBOX_FILE = 'inbox.json';

/** The file a task is cancelled in. */
export const CANCEL_FILE = 'cancel.json';

/** The two files a task is asked in; a task commit changes exactly one of them. */
export const TASK_FILES = ['task.txt', 'task.json'] as const;
export type TaskFile = (typeof TASK_FILES)[number];

/** Whether `path` is one of the two task files. */
export function isTaskFile(path: string): path is TaskFile {
  return path === 'task.txt' || path === 'task.json';
}

/**
 * The version of everything in `src/protocol`. `bridge-hello` prints it and `init` writes it into the
 * config.
 */
export const PROTOCOL_VERSION = 2;

/** A commit id: 40 hex digits (SHA-1 repositories) or 64 (SHA-256). */
export const commitIdSchema = z
  .string()
  .regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'must be a commit id: 40 or 64 lower-case hex digits');

/**
 * The name of a key, which is an agent or an asker. It is used in file names and shell
 * words; in commit authors, where git removes a dot at the end; and in refs, where git
 * allows no `..` and no `.lock` at the end.
 */
export const principalNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?$/,
    'must start with a letter or digit, end with one or with "_" or "-", use only letters, digits, ".", "_" and "-", and have at most 64 characters',
  )
  .refine((name) => !name.includes('..') && !name.endsWith('.lock'), {
    error: 'must have no ".." in it and no ".lock" at its end: git takes neither in a ref',
  });

/** Throws BridgeError `usage` for an invalid name. `whose` says whose name it is: "a key", "who asks". */
export function requireName(name: string, whose: string): void {
  const parsed = principalNameSchema.safeParse(name);
  if (parsed.success) return;
  throw new BridgeError(`${JSON.stringify(name)} is no name for ${whose}`, {
    code: 'usage',
    remedy: parsed.error.issues.map(({ message }) => `a name ${message}`).join('; '),
  });
}

/** The agent whose ref this is, of those under `prefix`; null where it is no such ref. */
export function agentOfRef(prefix: string, ref: string): string | null {
  if (!ref.startsWith(prefix)) return null;
  const name = ref.slice(prefix.length);
  return principalNameSchema.safeParse(name).success ? name : null;
}

/** What a key may do: an `agent` answers, an `asker` asks. */
export const roleSchema = z.enum(['agent', 'asker']);
export type Role = z.infer<typeof roleSchema>;

/** Who pushes or reads with a key: its name and its role. */
export interface Principal {
  readonly name: string;
  readonly role: Role;
}

/**
 * The name of a kind of model server. It is an open word: readers take any, so that a new one needs no new
 * reader. Only an agent has a list of those that it can use (`BACKENDS` in src/agent/backends/backends.ts).
 */
export const backendNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a word: 1 to 32 of a-z, 0-9 and "-", beginning with a letter');

/** The name of a model, as its server has it. */
export const modelNameSchema = textOf(1, 256);

/** The part of an id or a hash that people see: 8 hex digits, as in `git log --oneline`. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}
