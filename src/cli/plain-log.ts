import type { LogLevel } from '../agent/agent-options.js';
import { stripControls } from '../protocol/printable.js';

/** A line on stderr for each thing that happens: `2026-11-22T17:02:27Z warn: …`. What is normal has no level in front. */
export function plainLog(level: LogLevel, text: string): void {
  const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  process.stderr.write(`${time} ${level === 'info' ? '' : `${level}: `}${stripControls(text)}\n`);
}
