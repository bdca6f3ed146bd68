/** An object as JSON has it, of whose fields nothing is known yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value that was read from JSON is an object, and neither a list nor null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
