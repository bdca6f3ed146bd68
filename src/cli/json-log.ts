import type { LogFields, LogLevel } from '../agent/agent-options.js';
import { stringifyEscaped } from '../protocol/escape-json.js';

/** A line of JSON on stderr for each thing that happens: `time`, `level`, `message`, and the fields where it has any. */
export function jsonLog(level: LogLevel, message: string, fields?: LogFields): void {
  const record = { time: new Date().toISOString(), level, message, ...fields };
  process.stderr.write(`${stringifyEscaped(record)}\n`);
}
