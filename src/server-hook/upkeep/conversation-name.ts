import { createHash } from 'node:crypto';
import { isJsonObject } from '../../protocol/json-object.js';
import type { TaskFile } from '../../protocol/names.js';

/** How many characters at its start tell a prompt of one template apart from others. */
const OPENING_CHARS = 256;

/**
 * The name under which a task is packed. Clients send a conversation whole at every turn, so each turn
 * repeats the one before it. git looks for such a likeness among neighbours in the order of names. So the
 * name stands for what stays the same in a conversation: the path of the call, the model, and the messages
 * up to the first of the user. It is a hash in 43 characters, because git compares the last 16 characters of
 * a name.
 */
export function conversationName(file: TaskFile, bytes: Buffer): string {
  return createHash('sha256')
    .update(JSON.stringify(openingOf(file, bytes.toString('utf8'))))
    .digest('base64url');
}

function openingOf(file: TaskFile, text: string): unknown {
  if (file === 'task.txt') return text.slice(0, OPENING_CHARS);
  const task = parse(text);
  if (task === null) return text.slice(0, OPENING_CHARS);
  const request = isJsonObject(task.request) ? task.request : {};
  const call = isJsonObject(request.body) ? request.body : task;
  const { model, system, instructions, prompt } = call;
  const said = [call.messages, call.input].find(Array.isArray) ?? [prompt ?? call.input];
  return [request.path, model, system, instructions, ...uptoFirstUser(said)];
}

function uptoFirstUser(messages: readonly unknown[]): readonly unknown[] {
  const first = messages.findIndex((one) => isJsonObject(one) && one.role === 'user');
  if (first >= 0) return messages.slice(0, first + 1);
  const [only] = messages;
  return [typeof only === 'string' ? only.slice(0, OPENING_CHARS) : only];
}

/** Null where the text is no JSON object: history may hold what the owner committed by hand. */
function parse(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
