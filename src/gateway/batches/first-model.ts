import { isJsonObject } from '../../protocol/json-object.js';
import { readLines } from './file-lines.js';

/** A first line that is longer than this names no model here. Bytes. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

/**
 * The model that the first line of a batch names; undefined where it names none, or is no line of a batch:
 * that is told when the lines are checked.
 */
export async function firstModelIn(file: string): Promise<string | undefined> {
  try {
    for await (const { bytes } of readLines(file, MAX_LINE_BYTES)) {
      const value: unknown = JSON.parse(bytes?.toString() ?? 'null');
      const body = isJsonObject(value) ? value.body : null;
      return isJsonObject(body) && typeof body.model === 'string' ? body.model : undefined;
    }
  } catch {
    // No JSON, or the file is gone.
  }
  return undefined;
}
