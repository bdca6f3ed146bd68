import type { LogFields } from '../agent/agent-options.js';
import { formatDuration } from '../protocol/duration.js';
import { shortId } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';
import { excerpt } from '../protocol/text.js';

/**
 * What an agent is doing now. It is gathered from the log of the agent and from what its models say. Times
 * are milliseconds of a monotonic clock.
 */
export interface AgentBoard {
  note(fields: LogFields, atMs: number): void;
  /** A piece of text came from the model of a task. */
  text(task: string, atMs: number): void;
  /** The lines to show, none longer than `width`. */
  lines(nowMs: number, width: number): string[];
}

interface Running {
  readonly asker: string;
  readonly startedMs: number;
  firstMs: number | null;
  /** Pieces of text so far. A model server sends one token at a time. */
  pieces: number;
}

/** Makes the board of an agent that has not connected yet. */
export function createAgentBoard(): AgentBoard {
  const running = new Map<string, Running>();
  let name: string | null = null;
  let isAway = false;
  let answered = 0;
  let failed = 0;

  function headline(): string {
    const counts = `${answered} answered${failed === 0 ? '' : `, ${failed} with an error`}`;
    if (name === null) return 'connecting…';
    if (isAway) return `${name}: trying again (${counts})`;
    if (running.size === 0) return `${name}: waiting for tasks (${counts})`;
    return `${name}: answering ${running.size === 1 ? 'a task' : `${running.size} tasks`} (${counts})`;
  }

  return {
    note(fields, atMs) {
      const task = String(fields.task ?? '');
      switch (fields.event) {
        case 'connected':
          name = oneLine(String(fields.name));
          break;
        case 'retrying':
          isAway = true;
          break;
        case 'recovered':
          isAway = false;
          break;
        case 'task-started':
          running.set(task, { asker: String(fields.asker), startedMs: atMs, firstMs: null, pieces: 0 });
          break;
        case 'task-dropped':
          running.delete(task);
          break;
        case 'task-answered':
        case 'task-failed':
        case 'task-lost':
          if (fields.event === 'task-answered') answered += 1;
          else failed += 1;
          running.delete(task);
      }
    },
    text(task, atMs) {
      const one = running.get(task);
      if (one === undefined) return;
      one.firstMs ??= atMs;
      one.pieces += 1;
    },
    lines(nowMs, width) {
      const tasks = [...running].map(([task, one]) => `  ${shortId(task)}  ${describe(one, nowMs)}`);
      return [headline(), ...tasks].map((line) => excerpt(line, Math.max(20, width)));
    },
  };
}

function describe({ asker, startedMs, firstMs, pieces }: Running, nowMs: number): string {
  const head = `${formatDuration(wholeSeconds(nowMs - startedMs))}  for ${oneLine(asker)}`;
  if (firstMs === null) return `${head}, no token yet`;
  const tokens = `${pieces} ${pieces === 1 ? 'token' : 'tokens'}`;
  const seconds = (nowMs - firstMs) / 1000;
  // In the first second there is no rate yet.
  return seconds < 1 ? `${head}, ${tokens}` : `${head}, ${tokens}, ${(pieces / seconds).toFixed(1)} tokens/s`;
}

function wholeSeconds(ms: number): number {
  return Math.max(1000, Math.floor(ms / 1000) * 1000);
}
