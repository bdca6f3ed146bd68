import type { Spinner } from 'yocto-spinner';
import yoctoSpinner from 'yocto-spinner';
import type { Waiting } from '../asker/waiting-watch.js';
import { attendanceProblem } from '../bridge/attendance.js';
import type { TaskWork } from '../bridge/side-refs.js';
import { phaseWords } from '../bridge/work-words.js';
import { formatAge, formatDuration } from '../protocol/duration.js';
import { shortId } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';

/** What is shown while an answer is waited for. */
export interface WaitingSpinner {
  /** False where nothing is shown. */
  readonly isShown: boolean;
  asked(task: string): void;
  waits(waiting: Waiting): void;
  /** Takes it off the terminal, so that something else can stand there. */
  giveWay(): void;
  /** Puts it there again. */
  comeBack(): void;
  stop(): void;
}

/**
 * Shows on a terminal what an answer is waiting for, and for how long; elsewhere nothing. `spinner`: that of
 * a command that waits again and again.
 */
export function waitingSpinner(spinner = openSpinner()): WaitingSpinner {
  let timer: NodeJS.Timeout | null = null;
  let doing = '';
  let sinceMs = 0;
  let isAway = false;
  const draw = () => {
    if (isAway) return;
    // Rounded, because a timer may come a moment early.
    const waitedMs = Math.round((performance.now() - sinceMs) / 1000) * 1000;
    if (spinner !== null)
      spinner.text = waitedMs === 0 ? `${doing}…` : `${doing}… ${formatDuration(waitedMs)}`;
  };
  const begin = (text: string, forMs = 0) => {
    doing = text;
    sinceMs = performance.now() - forMs;
  };
  let id = '';
  return {
    isShown: spinner !== null,
    asked(task) {
      id = shortId(task);
      begin(`asked as ${id}, waiting for an agent`);
      spinner?.start(`${doing}…`);
      if (spinner !== null) timer = setInterval(draw, 1000);
    },
    waits(waiting) {
      if (waiting.for === 'answer') {
        const { work, nowMs } = waiting;
        const forMs = work.sinceMs === null ? 0 : Math.max(0, nowMs - work.sinceMs);
        const usual = waiting.line?.usualMs ?? null;
        const about = usual === null ? '' : `, usually ${formatAge(usual)}`;
        begin(`asked as ${id}, seen by ${oneLine(work.agent)}, ${doingOf(work)}${about}`, forMs);
      } else {
        const problem = attendanceProblem(waiting.attendance, waiting.nowMs);
        // The time goes on: it counts since the question.
        const who = problem === null ? '' : `${oneLine(problem.text)}; `;
        doing = `${who}asked as ${id}, waiting for an agent${problem === null ? lineOf(waiting.line) : ''}`;
      }
      if (spinner !== null) draw();
    },
    giveWay() {
      isAway = true;
      spinner?.stop();
    },
    comeBack() {
      if (!isAway || timer === null) return;
      isAway = false;
      spinner?.start();
      draw();
    },
    stop() {
      if (timer !== null) clearInterval(timer);
      timer = null;
      spinner?.stop();
    },
  };
}

/** `, 2 before it, about 40 s`, as far as that is known. */
function lineOf(line: Waiting['line']): string {
  if (line === undefined || line === null || line.place === null) return '';
  const before = line.place === 1 ? 'next in line' : `${line.place - 1} before it`;
  return `, ${before}${line.aboutMs === null ? '' : `, ${aboutWords(line.aboutMs)}`}`;
}

function aboutWords(ms: number): string {
  return ms < 1000 ? 'any moment' : `about ${formatDuration(ms)}`;
}

/** `loading (llama3.2)`; an agent that does not say is taken to generate. */
function doingOf({ phase, model }: TaskWork): string {
  const words = phaseWords(phase ?? 'generating');
  return model === null || phase === 'waiting' ? words : `${words} (${oneLine(model)})`;
}

/**
 * Makes a spinner on stderr; null where stderr is no terminal that can redraw a line. Ctrl-C is left to the
 * command: by itself the spinner would end the process before the command has tidied up.
 */
export function openSpinner(): Spinner | null {
  const { TERM, CI } = process.env;
  if (!process.stderr.isTTY || TERM === 'dumb' || CI !== undefined) return null;
  const spinner = yoctoSpinner({ stream: process.stderr, handleSignals: false });
  // The cursor is shown again, however the process ends.
  process.once('exit', () => spinner.stop());
  return spinner;
}
