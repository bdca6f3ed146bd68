import type { AnswerError, AnswerErrorCode } from '../protocol/answer.js';
import { updateElsewhere } from '../process/own-package.js';

/** What whoever asked can do about an error answer. */
const REMEDIES: Readonly<Record<AnswerErrorCode, string>> = {
  model_not_found:
    'name one of the installed models with --model, or install it on the PC (ollama pull <model>)',
  no_model: 'on the PC: ollama pull llama3.2, or load a model in LM Studio',
  backend_unreachable: 'start Ollama or LM Studio on the PC; its server has to be on',
  backend_error: 'look at the log of Ollama or LM Studio on the PC',
  timeout: 'ask for less, use a smaller model, or raise timeout_s or the deadlines of the agent',
  empty_answer: 'ask again, or use another model',
  invalid_format: 'use a model that is better at JSON, or a simpler schema',
  invalid_schema: 'correct the JSON Schema in --format',
  invalid_task: 'see "The messages" in the README',
  context_overflow: 'shorten the prompt, or raise num_ctx',
  answer_too_large: 'ask for less, or raise bridge.maxAnswerBytes on the server',
  answer_refused: updateElsewhere('the server and the PC'),
  cancelled: 'nothing, if that was meant; else ask again',
  context_missing: 'reply to a task that has a good answer, or ask anew',
  wrong_model: 'load the model in LM Studio, or leave --model out',
};

/** The `try:` line for an error answer. */
export function answerRemedy(error: AnswerError): string {
  return (REMEDIES as Record<string, string>)[error.code] ?? 'see the log of the agent on the PC';
}
