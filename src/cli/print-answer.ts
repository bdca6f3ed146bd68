import { BACKENDS, backendTitles } from '../agent/backends/backends.js';
import type { FoundAnswer } from '../asker/find-answer.js';
import { updateElsewhere } from '../process/own-package.js';
import { type AnswerError, type AnswerErrorCode, isCutShort, isRepetition } from '../protocol/answer.js';
import type { Output } from './output.js';
import { EXIT, type ExitCode, printProblem, printWarning } from './print-error.js';
import { shownResponse } from './shown-response.js';

/**
 * Prints an answer: its text alone, or the record as one line of JSON. An answer with an error goes to
 * stderr and makes the exit code 1. One that was cut, or whose model had to be stopped, is answered all the
 * same: a warning says so on stderr, and `finish_reason` in the record. `remedy` is what to do where the
 * output cannot be written. `isPrinted`: the text stands there already.
 */
export async function printAnswer(
  { answer, commit, asked }: FoundAnswer,
  asJson: boolean,
  out: Output,
  remedy?: string,
  isPrinted = false,
): Promise<ExitCode> {
  if (asJson) await out.json({ commit, ...asked, ...answer }, remedy);
  else if (answer.error === null) await printGood(answer, out, remedy, isPrinted);
  if (answer.error !== null) {
    if (!asJson) printProblem(`${answer.error.code}: ${answer.error.message}`, answerRemedy(answer.error));
    return EXIT.failed;
  }
  if (asJson) return EXIT.done;
  if (isCutShort(answer)) printWarning('the answer is cut: the model ran out of room', CUT_REMEDY);
  if (isRepetition(answer))
    printWarning('the model repeated itself without end, and was stopped there', REPETITION_REMEDY);
  return EXIT.done;
}

/** Prints the text of an answer; of a response, what it has in place of one. */
async function printGood(
  { answer, response }: FoundAnswer['answer'],
  out: Output,
  remedy: string | undefined,
  isPrinted: boolean,
): Promise<void> {
  const shown = response === undefined ? undefined : shownResponse(response);
  if (shown !== undefined) return out.json(shown, remedy);
  if (answer === null) return out.json(response?.body, remedy);
  if (!isPrinted) return out.printAnswer(answer, remedy);
}

const CUT_REMEDY = `raise --max-tokens, or the context (--num-ctx; in ${backendTitles(
  (one) => !one.takesContextSize,
)} where the model is loaded), or ask for less`;

const REPETITION_REMEDY =
  'ask again or in other words, use a larger model or a higher --temperature; an answer in JSON is whole';

/** What the asker can do about an error answer. */
const REMEDIES: Readonly<Record<AnswerErrorCode, string>> = {
  model_not_found: `name one of the installed models with --model, or install it on the PC (${BACKENDS.map(({ remedies }) => remedies.install('MODEL')).join(', ')})`,
  model_cannot_chat: 'name a model that can chat with --model, or leave --model out',
  cloud_model:
    'name a model that runs on the PC; if a third party may read what is asked, start the agent with --allow-cloud',
  no_model: `on the PC: ${BACKENDS.map(({ remedies }) => remedies.noModel).join(', or ')}`,
  backend_unreachable: `start ${backendTitles()} on the PC; its server has to be on`,
  backend_unauthorized: `on the PC, give the agent the token of ${backendTitles((one) => one.token !== null)}`,
  backend_error: `look at the log of ${backendTitles()} on the PC`,
  timeout: 'ask for less, use a smaller model, or raise timeout_s or the deadlines of the agent',
  empty_answer: 'ask again, or use another model',
  invalid_format: 'use a model that is better at JSON, or a simpler schema',
  invalid_schema: 'correct the JSON Schema in --format',
  invalid_task: 'see "Messages" in docs/protocol.md',
  context_overflow:
    'shorten the prompt, or give it more: what the message names (--num-ctx, --max-context of the agent, a model with a longer context)',
  answer_too_large: 'ask for less, or raise bridge.maxAnswerBytes on the server',
  answer_refused: updateElsewhere('the server and the PC'),
  cancelled: 'nothing, if that was meant; else ask again',
  context_missing: 'reply to a task that has a good answer, or ask again',
  unknown_backend: 'leave --backend out, name another, or install a newer llm-bridge on the PC',
  request_refused: 'leave out of the request what the message names; see "Requests" in docs/protocol.md',
  backend_refused: 'correct what the message names; the whole refusal is in the response (answer --json)',
  wrong_model: `load the model in ${backendTitles((one) => one.answersFromOthers)}, or leave --model out`,
};

/** The `try:` line for an error answer. */
function answerRemedy(error: AnswerError): string {
  // The server knows the field, so it is no mistake of the asker's.
  if (error.code === 'invalid_task' && error.message.includes('Unrecognized key'))
    return updateElsewhere('the server and the PC');
  return (REMEDIES as Record<string, string>)[error.code] ?? 'see the log of the agent on the PC';
}
