import { randomUUID } from 'node:crypto';
import os from 'node:os';
import { BridgeError } from '../protocol/bridge-error.js';
import { imageFault } from '../protocol/image-type.js';
import { DEFAULT_MAX_TASK_BYTES } from '../protocol/limits.js';
import { principalNameSchema, type TaskFile } from '../protocol/names.js';
import { stringifyEscaped } from '../protocol/strict-json.js';
import { questionOf, readTask, type TaskJson } from '../protocol/task.js';

/** A task that is ready to be committed: its bytes were read back as a valid message. */
export interface TaskDraft {
  readonly file: TaskFile;
  readonly bytes: Buffer;
  readonly task: TaskJson;
  /** The text of the question, for a person. */
  readonly question: string;
}

/** The error for a task that has more bytes than the bridge takes: a `usage`, and told from others. */
export class TaskTooLarge extends BridgeError {
  constructor(name: string, bytes: number, maxBytes: number) {
    super(`${name} has ${bytes} bytes; the limit is ${maxBytes}`, {
      code: 'usage',
      remedy: 'ask less at once, or raise bridge.maxTaskBytes on the server',
    });
  }
}

/**
 * Makes a `task.json` from the fields of a task. Adds a fresh `id` and `asked_at` where they are absent, so
 * that a question asked twice is answered twice. With `dedup` both are left out, because either would make
 * every task a different one. Throws BridgeError `usage` with the name of the wrong field, TaskTooLarge.
 */
export function draftTask(
  fields: TaskJson,
  options: { readonly nowMs: number; readonly dedup: boolean; readonly maxBytes?: number },
): TaskDraft {
  const { id, asked_at, ...rest } = fields;
  const stamped = options.dedup
    ? rest
    : { id: id ?? randomUUID(), asked_at: asked_at ?? new Date(options.nowMs).toISOString(), ...rest };
  return draftTaskFile(
    'task.json',
    Buffer.from(`${stringifyEscaped(stamped, 2)}\n`, 'utf8'),
    options.maxBytes,
  );
}

/**
 * Makes a draft from the bytes of a task file, unchanged. `name` is what an error calls them. Throws
 * BridgeError `usage` where they are no task, TaskTooLarge.
 */
export function draftTaskFile(
  file: TaskFile,
  bytes: Buffer,
  maxBytes = DEFAULT_MAX_TASK_BYTES,
  name: string = file,
): TaskDraft {
  if (bytes.length > maxBytes) throw new TaskTooLarge(name, bytes.length, maxBytes);
  const read = readTask(file, bytes, maxBytes);
  if (!read.ok) {
    throw new BridgeError(`${name} ${read.reason}`, {
      code: 'usage',
      remedy: remedyFor(read.reason),
    });
  }
  const fault = imageFault(read.value.images ?? []);
  if (fault !== null) {
    throw new BridgeError(`${name} images: ${fault}`, {
      code: 'usage',
      remedy: 'convert it to one of these; no model reads anything else',
    });
  }
  return { file, bytes, task: read.value, question: questionOf(read.value) };
}

function remedyFor(reason: string): string {
  if (reason.includes('UTF-8')) return 'write it as UTF-8; iconv -t UTF-8 converts it';
  return REMEDIES.find(([start]) => reason.startsWith(start))?.[1] ?? 'see "Messages" in docs/protocol.md';
}

/** What mends a field, by how the fault that `readTask` finds begins: what a person can type by mistake. */
const REMEDIES: readonly (readonly [start: string, remedy: string])[] = [
  ['prompt: the prompt is empty', 'write a question: llm-bridge ask "2+2"'],
  ['is empty', 'write a question: llm-bridge ask "2+2"'],
  ['options.temperature: ', 'give a --temperature from 0 (always the likeliest word) to 10; 1 is usual'],
  ['options.seed: ', 'give a whole number as --seed'],
  ['options.max_tokens: ', 'give a whole number from 1 up as --max-tokens'],
  ['priority: ', 'give a --priority from -10 (after the others) to 10 (before them)'],
  ['model: ', 'llm-bridge models lists what there is'],
];

/** The asker's name where no key gives one: the login name, as far as it is a valid name; else `asker`. */
export function loginName(): string {
  try {
    const name = os.userInfo().username.replace(/[^A-Za-z0-9._-]/g, '-');
    return principalNameSchema.safeParse(name).success ? name : 'asker';
  } catch {
    // The user id has no login name, as in some containers.
    return 'asker';
  }
}
