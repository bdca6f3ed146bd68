import type { AgentLog, OnTaskText } from '../agent/agent-options.js';
import { createAgentBoard } from './agent-board.js';
import { plainLog } from './log-lines.js';
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
