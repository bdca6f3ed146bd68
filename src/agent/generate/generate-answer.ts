import { imageFault } from '../../protocol/image-type.js';
import { DEFAULT_MAX_ANSWER_BYTES } from '../../protocol/limits.js';
import { oneLine } from '../../protocol/printable.js';
import { conversationOf, type TaskJson } from '../../protocol/task.js';
import type { GenerateSettings } from '../agent-options.js';
import {
  type Backend,
  BackendError,
  type GenerateRequest,
  type Generation,
  type OnToken,
} from '../backends/backend.js';
import { backendNamed } from '../backends/backends.js';
import { openExchange } from '../backends/open-exchange.js';
import { type GenerationOutcome, outcomeOf } from '../compose-answer.js';
import { type FormatChecker, generateFitting, openFormat } from '../format/check-format.js';
import { type Earlier, generateReply, longestContext } from '../queue/fit-conversation.js';
import { type Attempt, askBackends } from './ask-backends.js';

/**
 * Generates the answer to a task, or the error that takes its place. Whatever a model server does is an
 * outcome.
 * 1. Compile the task's JSON Schema; one that does not compile is an error without asking a model.
 * 2. Reach the task's backend, or the first of those in the settings that can be reached and has the model
 *    (`ask-backends.ts`).
 * 3. Choose the model: the task's, the settings', or the best that is there (`choose-model.ts`).
 * 4. Put the conversation before the task in front of it, as much as fits into the context of that model.
 * 5. Generate under the idle and the total deadline. What does not fit its format is generated once more.
 *
 * `onToken` is called at every sign of life, also of a first try that did not fit. Throws the reason of
 * `signal` once that is aborted, ForbiddenHere as `askBackends` does, and BridgeError `usage` for a bad
 * address in the settings.
 */
export async function generateAnswer(
  task: TaskJson,
  settings: GenerateSettings,
  signal: AbortSignal,
  onToken: OnToken,
  earlier?: Earlier,
): Promise<GenerationOutcome> {
  const maxAnswerBytes = settings.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES;
  let format: FormatChecker | null = null;
  try {
    return await askBackends({ task, model: task.model, settings, signal }, async (deadlines) => {
      if (task.format !== undefined) format = await openFormat(task.format, maxAnswerBytes, deadlines.signal);
      const run = { task, earlier, settings, maxAnswerBytes, format, onToken };
      return (attempt) => generateOnce(run, attempt);
    });
  } finally {
    // Not waited for: a thread that takes long to end must not hold up the answer.
    void (format as FormatChecker | null)?.close();
  }
}

/** What all attempts at one task share. */
interface Run {
  readonly task: TaskJson;
  readonly earlier: Earlier | undefined;
  readonly settings: GenerateSettings;
  readonly maxAnswerBytes: number;
  readonly format: FormatChecker | null;
  readonly onToken: OnToken;
}

/** Steps 3 to 5, with one backend. Throws as `Backend` does. */
async function generateOnce(run: Run, attempt: Attempt): Promise<GenerationOutcome> {
  const { task, earlier, settings, format } = run;
  const { backend, deadlines } = attempt;
  const fault = imageFault(task.images ?? []);
  if (fault !== null) throw new BackendError('invalid_task', fault);
  const model = await attempt.choose({ task: task.model, agent: settings.model });
  const request: GenerateRequest = {
    model,
    strictModel: task.model !== undefined,
    messages: conversationOf(task),
    images: (task.images ?? []).map((image) => Buffer.from(image, 'base64')),
    options: task.options ?? {},
    format: task.format,
    maxAnswerBytes: run.maxAnswerBytes,
  };
  const exchange = openExchange({ ...run, backend, deadlines });
  const ask = (one: GenerateRequest) => exchange((signal, take) => backend.generate(one, signal, take));
  const generate = (one: GenerateRequest) =>
    format === null ? ask(one) : generateFitting(one, format.check, ask);
  const generation =
    earlier === undefined
      ? await generate(request)
      : await generateReply(task, {
          ...{ earlier, request, generate },
          longest: () => deadlines.watch(() => longestContext(backend, model, deadlines.signal)),
          onFitted: (context) => attempt.fitted(context),
        });
  noteOtherModel(request, generation, backend, settings.log);
  return outcomeOf(backend, generation);
}

function noteOtherModel(
  request: GenerateRequest,
  generation: Generation,
  backend: Backend,
  log: GenerateSettings['log'],
): void {
  const { answersFromOthers, sameModel } = backendNamed(backend.name);
  if (!answersFromOthers || sameModel(request.model, generation.model)) return;
  log?.(oneLine(`${backend.name}: ${request.model} was asked, and ${generation.model} answered`));
}
