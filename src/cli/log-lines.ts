import type { LogFields, LogLevel } from '../agent/agent-options.js';
import { hidePasswords } from '../process/hide-passwords.js';
import { stripControls } from '../protocol/printable.js';
import { stringifyEscaped } from '../protocol/strict-json.js';
import { toWellFormedJson } from '../protocol/text.js';

/**
 * Writes a line to stderr for each thing that happens: `2026-11-22T17:02:27Z warn: …`. The level `info` is
 * left out.
 */
export function plainLog(level: LogLevel, text: string): void {
  const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  process.stderr.write(
    `${time} ${level === 'info' ? '' : `${level}: `}${hidePasswords(stripControls(text))}\n`,
  );
}

/**
 * Writes a line of JSON to stderr for each thing that happens: `time`, `level`, `message`, and the fields
 * where there are any.
 */
export function jsonLog(level: LogLevel, message: string, fields?: LogFields): void {
  const record = { time: new Date().toISOString(), level, message, ...fields };
  process.stderr.write(`${hidePasswords(stringifyEscaped(toWellFormedJson(record)))}\n`);
}
