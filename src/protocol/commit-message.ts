import { type Answer, textOfAnswer } from './answer.js';
import type { Cancel } from './cancel.js';
import { shortId } from './names.js';
import { oneLine } from './printable.js';
import { excerpt, lengthOf } from './text.js';

/**
 * How much of a question or an answer a subject quotes; with the rest it stays near git's customary 72
 * columns.
 */
const SUBJECT_TEXT_CHARS = 50;

/**
 * The message of a task commit: `ask: 2+2` and the trailer `Task-Hash`. The id of the task is that of the
 * commit, which git prints in front.
 */
export function askMessage(task: { readonly hash: string; readonly question: string }): string {
  return compose(`ask: ${subjectText(task.question)}`, [['Task-Hash', task.hash]]);
}

/**
 * The message of an answer commit: `answer 3f2a1b9c: 4 (llama3.2 via ollama, 812 ms)`, with the id of the
 * task, and `response 200` where an API gave no text. Its trailers: `Task`, `Task-Hash`, `Model`, `Backend`,
 * `Latency-Ms`, `Status` (`ok`, `cached`, or `error` and its code).
 * It is made from the answer alone, so the server's hook can compare the two.
 */
export function answerMessage(answer: Answer): string {
  const text = answer.error === null ? subjectText(textOfAnswer(answer)) : `error ${answer.error.code}`;
  const source = answer.model === null ? 'no model' : `${oneLine(answer.model)} via ${answer.backend ?? '?'}`;
  const time = answer.cached === true ? 'cached' : `${answer.latency_ms} ms`;
  return compose(`answer ${shortId(answer.task_commit)}: ${text} (${source}, ${time})`, [
    ['Task', answer.task_commit],
    ['Task-Hash', answer.task_hash],
    ['Model', answer.model === null ? 'none' : oneLine(answer.model)],
    ['Backend', answer.backend ?? 'none'],
    ['Latency-Ms', String(answer.latency_ms)],
    ['Status', statusOf(answer)],
  ]);
}

/**
 * The message of a cancel commit: `cancel 3f2a1b9c: no longer needed`, with the id of
 * the task, and the trailer `Task`.
 */
export function cancelMessage(cancel: Cancel): string {
  const why = cancel.reason === undefined ? '' : `: ${subjectText(cancel.reason)}`;
  return compose(`cancel ${shortId(cancel.task_commit)}${why}`, [['Task', cancel.task_commit]]);
}

/** The `Status` trailer of an answer. */
export function statusOf(answer: Answer): string {
  if (answer.error !== null) return `error ${answer.error.code}`;
  return answer.cached === true ? 'cached' : 'ok';
}

function subjectText(text: string): string {
  // A prompt of a megabyte is not cleaned whole: what comes behind a line that is too long cannot matter.
  for (let units = SUBJECT_TEXT_CHARS * 10; ; units *= 4) {
    const line = oneLine(text.slice(0, units));
    if (units >= text.length || lengthOf(line) > SUBJECT_TEXT_CHARS + 1)
      return excerpt(line, SUBJECT_TEXT_CHARS);
  }
}

function compose(subject: string, trailers: readonly (readonly [string, string])[]): string {
  return `${subject}\n\n${trailers.map(([key, value]) => `${key}: ${value}\n`).join('')}`;
}
