import type { FoundAnswer } from '../asker/find-answer.js';
import { stripControls } from '../protocol/printable.js';
import { answerRemedy } from './answer-remedy.js';
import type { ExitState } from './exit-state.js';
import { EXIT, printProblem } from './print-error.js';

/** Prints an answer: its text alone, or the record as one line of JSON. An answer with an error goes to stderr and makes the exit code 1. */
export function printAnswer({ answer, commit }: FoundAnswer, asJson: boolean, exit: ExitState): void {
  if (asJson) process.stdout.write(`${JSON.stringify({ commit, ...answer })}\n`);
  else if (answer.answer !== null) printText(answer.answer);
  if (answer.error === null) return;
  if (!asJson) printProblem(`${answer.error.code}: ${answer.error.message}`, answerRemedy(answer.error));
  exit.code = EXIT.failed;
}

/** On a terminal without its control characters: a model may say anything. */
function printText(answer: string): void {
  const text = process.stdout.isTTY ? stripControls(answer) : answer;
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}
