import type { Answer, Usage } from '../../protocol/answer.js';
import { errorText } from '../../protocol/bridge-error.js';
import { DEFAULT_MAX_ANSWER_BYTES } from '../../protocol/limits.js';
import { oneLine } from '../../protocol/printable.js';
import type { ChatMessage, TaskJson } from '../../protocol/task.js';
import { excerpt } from '../../protocol/text.js';
import type { GenerateSettings } from '../agent-options.js';
import {
  type Backend,
  BackendError,
  type GenerateRequest,
  type Generation,
  type OnToken,
} from '../backends/backend.js';
import { MAX_ERROR_MESSAGE_CHARS } from '../backends/backend-failure.js';
import { backendNamed, DEFAULT_BACKEND_ORDER, isBackendName, openBackends } from '../backends/backends.js';
import { type FormatCheck, type FormatChecker, openFormat } from '../format/check-format.js';
import { MissingModel } from './choose-model.js';
import { openExchange, startDeadlines } from './exchange.js';
import { outliveFailures } from './outlive-failures.js';
import { isUnreachable } from './reach-backend.js';

/** What of an `inbox.json` comes from a model server. Exactly one of `answer` and `error` is null. */
export type GenerationOutcome = Pick<
  Answer,
  'model' | 'backend' | 'answer' | 'error' | 'thinking' | 'finish_reason' | 'usage' | 'attempts' | 'context'
>;

/**
 * Generates the answer to a task, or the error that takes its place. Whatever a model server does is an
 * outcome.
 * 1. Compile the task's JSON Schema; one that does not compile is an error without asking a model.
 * 2. Reach the task's backend, or the first of those in the settings that can be reached and has the model
 *    (`reach-backend.ts`). One that goes away in the middle, is busy, or fails in another way that passes, is
 *    waited for, and gets the task again from the beginning (`outlive-failures.ts`).
 * 3. Choose the model: the task's, the settings', or the best that is there (`choose-model.ts`).
 * 4. Generate under the idle and the total deadline. What does not fit its format is generated once more.
 *
 * `onToken` is called at every sign of life, of a first try that did not fit, too. Throws the reason of
 * `signal` once that is aborted, and BridgeError `usage` where an address in the settings is none.
 */
export async function generateAnswer(
  task: TaskJson,
  settings: GenerateSettings,
  signal: AbortSignal,
  onToken: OnToken,
): Promise<GenerationOutcome> {
  signal.throwIfAborted();
  const { backend: named } = task;
  if (named !== undefined && !isBackendName(named)) return unknownBackend(named);
  const order = named === undefined ? settings.order : [named];
  const backends = await openBackends(order, settings);
  const totalMs = task.timeout_s === undefined ? settings.totalTimeoutMs : task.timeout_s * 1000;
  const deadlines = startDeadlines({ idleMs: settings.idleTimeoutMs, totalMs }, signal);
  const asked: Asked = { backend: null, model: null, attempts: 0 };
  let isMissing = false;
  const maxAnswerBytes = settings.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES;
  let format: FormatChecker | null = null;
  try {
    format =
      task.format === undefined ? null : await openFormat(task.format, maxAnswerBytes, deadlines.signal);
    const check = format?.check;
    const outcome = await outliveFailures(backends, settings, deadlines.signal, (backend) =>
      counted(asked, async () => {
        const exchange = openExchange(backend, settings, deadlines, onToken);
        const wish = {
          task: task.model,
          agent: settings.model,
          isElsewherePossible: backends.length > 1,
          // It is meant for the first of the order, and another model stands in only where that one is away.
          mayReplace: settings.order[0] !== backend.name && !isMissing,
        };
        // Of several that lack the model, the first stands in the record.
        if (!isMissing) Object.assign(asked, { backend: backend.name, model: task.model ?? null });
        const request = await exchange.prepare(task, wish).catch((error: unknown) => {
          isMissing ||= error instanceof MissingModel;
          throw error;
        });
        Object.assign(asked, { backend: backend.name, model: request.model });
        settings.onPhase?.('loading', request.model);
        const generation =
          check === undefined
            ? await exchange.generate(request)
            : await generateFitting(request, check, exchange.generate);
        noteOtherModel(request, generation, backend, settings.log);
        return outcomeOf(backend, generation);
      }),
    );
    return { ...outcome, ...attemptsOf(asked) };
  } catch (error) {
    signal.throwIfAborted();
    return failureOf(error, asked);
  } finally {
    deadlines.stop();
    // Not waited for: what keeps a thread at work is no reason to keep an answer.
    void format?.close();
  }
}

/** A later version may know it: the protocol takes any word. */
function unknownBackend(name: string): GenerationOutcome {
  const message = `this agent knows no backend "${name}"; it has ${DEFAULT_BACKEND_ORDER.join(', ')}`;
  return { model: null, backend: null, answer: null, error: { code: 'unknown_backend', message } };
}

/** What was asked last, for the error answer, and how often a server was given the task. */
type Asked = { backend: GenerationOutcome['backend']; model: string | null; attempts: number };

/** Counts as an attempt what gives a server the task: it was reached, and has the model. */
async function counted<T>(asked: Asked, attempt: () => Promise<T>): Promise<T> {
  asked.attempts += 1;
  try {
    return await attempt();
  } catch (error) {
    if (isUnreachable(error) || error instanceof MissingModel) asked.attempts -= 1;
    throw error;
  }
}

/** Said where it took more than one. */
function attemptsOf({ attempts }: Asked): Pick<GenerationOutcome, 'attempts'> {
  return attempts > 1 ? { attempts } : {};
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

function outcomeOf(backend: Backend, generation: Generation): GenerationOutcome {
  return {
    model: generation.model,
    backend: backend.name,
    answer: generation.answer,
    error: null,
    ...(generation.thinking === undefined ? {} : { thinking: generation.thinking }),
    ...(generation.finishReason === undefined ? {} : { finish_reason: generation.finishReason }),
    ...(generation.usage === undefined ? {} : { usage: generation.usage }),
  };
}

function failureOf(error: unknown, asked: Asked): GenerationOutcome {
  const code = error instanceof BackendError ? error.code : 'backend_error';
  const message = excerpt(oneLine(errorText(error)), MAX_ERROR_MESSAGE_CHARS);
  // Where none could be reached, none was chosen.
  const { backend, model } = code === 'backend_unreachable' ? { backend: null, model: null } : asked;
  const { thinking, finishReason } = error instanceof BackendError ? error.said : {};
  return {
    model,
    backend,
    answer: null,
    error: { code, message: message === '' ? code : message },
    ...(thinking === undefined ? {} : { thinking }),
    ...(finishReason === undefined ? {} : { finish_reason: finishReason }),
    ...attemptsOf(asked),
  };
}

/** So much of an answer that does not fit is shown to the model again: a context holds more. Characters. */
const MAX_QUOTED_CHARS = 20_000;

/**
 * Generates an answer that passes `check`, and returns it as its bare JSON. An answer that does not fit is
 * generated once more, with it and the complaint at the end of the conversation; `usage` counts both. An
 * answer that was cut off at its length limit is not tried again: the same limit would cut it again. Throws
 * BackendError `invalid_format`.
 */
export async function generateFitting(
  request: GenerateRequest,
  check: (answer: string) => Promise<FormatCheck>,
  generate: (request: GenerateRequest) => Promise<Generation>,
): Promise<Generation> {
  const first = await generate(request);
  const checked = await check(first.answer);
  if (checked.ok) return { ...first, answer: checked.json };
  if (first.finishReason === 'length') {
    const text = `the answer was cut off at its length limit; raise max_tokens (${checked.complaint})`;
    throw new BackendError('invalid_format', text);
  }
  const messages = [...request.messages, ...correction(first.answer, checked.complaint)];
  const second = await generate({ ...request, messages });
  const again = await check(second.answer);
  const usage = addUsage(first.usage, second.usage);
  if (again.ok) return { ...second, answer: again.json, ...(usage === undefined ? {} : { usage }) };
  throw new BackendError('invalid_format', `the answer does not fit the format, twice: ${again.complaint}`);
}

function correction(answer: string, complaint: string): ChatMessage[] {
  return [
    { role: 'assistant', content: excerpt(answer, MAX_QUOTED_CHARS) },
    {
      role: 'user',
      content: `That answer does not fit the required format: ${complaint}. Answer again, with the corrected JSON and nothing else.`,
    },
  ];
}

function addUsage(first: Usage | undefined, second: Usage | undefined): Usage | undefined {
  if (first === undefined || second === undefined) return second ?? first;
  const sum = (name: keyof Usage) => (first[name] ?? 0) + (second[name] ?? 0);
  return { prompt_tokens: sum('prompt_tokens'), completion_tokens: sum('completion_tokens') };
}
