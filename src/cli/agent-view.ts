import type { AgentLog, LogFields, LogLevel, OnTaskText } from '../agent/agent-options.js';
import { hidePasswords } from '../process/hide-passwords.js';
import { stripControls } from '../protocol/printable.js';
import { stringifyEscaped } from '../protocol/strict-json.js';
import { toWellFormedJson } from '../protocol/text.js';
import { createAgentBoard } from './agent-board.js';
import { openSpinner } from './waiting-spinner.js';

/** How often the times and counts are drawn again. Milliseconds. */
const REDRAW_MS = 500;

/** What an agent reports to. */
export interface AgentView {
  readonly log: AgentLog;
  readonly onText: OnTaskText;
  close(): void;
}

/**
 * Shows an agent on a terminal: the lines of its log as they come, and below them what it is doing now. Null
 * where stderr is no terminal that can redraw a line.
 */
export function openAgentView(): AgentView | null {
  const spinner = openSpinner();
  if (spinner === null) return null;
  const board = createAgentBoard();
  const draw = () => {
    // The first line begins with the spinner and a blank.
    spinner.text = board.lines(performance.now(), (process.stderr.columns ?? 80) - 3).join('\n');
  };
  spinner.start(board.lines(performance.now(), 80).join('\n'));
  const timer = setInterval(draw, REDRAW_MS);
  return {
    log(level, text, fields) {
      if (fields !== undefined) board.note(fields, performance.now());
      plainLog(level, text);
      draw();
    },
    onText: (task) => board.text(task, performance.now()),
    close() {
      clearInterval(timer);
      spinner.stop();
    },
  };
}

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
