import type { AnswerContext } from '../../protocol/answer.js';
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
import { backendError } from '../backends/backend-failure.js';
import { addressOf, backendNamed, isBackendName, openBackends } from '../backends/backends.js';
import {
  failedOutcome,
  type GenerationOutcome,
  outcomeOf,
  unknownBackend,
  withoutAddress,
} from '../compose-answer.js';
import { type Deadlines, startDeadlines } from '../deadlines.js';
import { type FormatChecker, generateFitting, openFormat } from '../format/check-format.js';
import { type Earlier, generateReply, longestContext } from '../queue/fit-conversation.js';
import { chooseModel, MissingModel, withInstalledModels } from './choose-model.js';
import { reachedNothing, tryBackends } from './try-backends.js';

/**
 * Generates the answer to a task, or the error that takes its place. Whatever a model server does is an
 * outcome.
 * 1. Compile the task's JSON Schema; one that does not compile is an error without asking a model.
 * 2. Reach the task's backend, or the first of those in the settings that can be reached and has the model.
 *    Where a failure passes, it gets the task again (`try-backends.ts`).
 * 3. Choose the model: the task's, the settings', or the best that is there (`choose-model.ts`).
 * 4. Put as much of the conversation before the task in front of it as fits into the context of that model.
 * 5. Generate under the idle and the total deadline. What does not fit its format is generated once more.
 *
 * `onToken` is called at every sign of life, of a first try that did not fit, too. Throws the reason of
 * `signal` once that is aborted, and BridgeError `usage` where an address in the settings is none.
 */
export async function generateAnswer(
  task: TaskJson,
  settings: GenerateSettings,
  signal: AbortSignal,
  onToken: OnToken,
  earlier?: Earlier,
): Promise<GenerationOutcome> {
  signal.throwIfAborted();
  const { backend: named } = task;
  if (named !== undefined && !isBackendName(named)) return unknownBackend(named);
  if (named !== undefined && addressOf(named, settings) === null) return withoutAddress(named);
  const backends = await openBackends(named === undefined ? settings.order : [named], settings);
  const totalMs = task.timeout_s === undefined ? settings.totalTimeoutMs : task.timeout_s * 1000;
  const deadlines = startDeadlines({ idleMs: settings.idleTimeoutMs, totalMs }, signal);
  const maxAnswerBytes = settings.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES;
  const asked: Asked = { backend: null, model: null, attempts: 0, isMissing: false };
  let format: FormatChecker | null = null;
  try {
    if (task.format !== undefined) format = await openFormat(task.format, maxAnswerBytes, deadlines.signal);
    const isAlone = backends.length === 1;
    const run = { task, earlier, settings, isAlone, maxAnswerBytes, format, deadlines, onToken, asked };
    const attempt = (backend: Backend) => generateOnce(run, backend);
    const outcome = await tryBackends(backends, settings, deadlines.signal, attempt);
    return withAttempts(outcome, asked);
  } catch (error) {
    signal.throwIfAborted();
    return withAttempts(failedOutcome(error, asked), asked);
  } finally {
    deadlines.stop();
    // Not waited for: what keeps a thread at work is no reason to keep an answer.
    void format?.close();
  }
}

/** What was asked last, for the error answer, and how often a server was given the task. */
interface Asked {
  backend: GenerationOutcome['backend'];
  model: string | null;
  attempts: number;
  /** A backend lacked the model. Of several, the first stands in the record. */
  isMissing: boolean;
  /** How much of the conversation before it went along. */
  context?: AnswerContext;
}

/** How many it took is said where it was more than one; and of a reply, how much went along. */
function withAttempts(outcome: GenerationOutcome, { attempts, context }: Asked): GenerationOutcome {
  return { ...outcome, ...(attempts > 1 && { attempts }), ...(context && { context }) };
}

/** What all attempts at one task share. */
interface Run {
  readonly task: TaskJson;
  readonly earlier: Earlier | undefined;
  readonly settings: GenerateSettings;
  /** No other backend may be asked. */
  readonly isAlone: boolean;
  readonly maxAnswerBytes: number;
  readonly format: FormatChecker | null;
  readonly deadlines: Deadlines;
  readonly onToken: OnToken;
  readonly asked: Asked;
}

/** Steps 3 to 5, with one backend. Throws as `Backend` does. */
async function generateOnce(run: Run, backend: Backend): Promise<GenerationOutcome> {
  const { task, earlier, settings, format, deadlines, asked } = run;
  // It is meant for the first of the order, and another model stands in only where that one is away.
  const mayReplace = settings.order[0] !== backend.name && !asked.isMissing;
  if (!asked.isMissing) Object.assign(asked, { backend: backend.name, model: task.model ?? null });
  let isGiven = true;
  try {
    const fault = imageFault(task.images ?? []);
    if (fault !== null) throw new BackendError('invalid_task', fault);
    const wish = { task: task.model, agent: settings.model, isElsewherePossible: !run.isAlone, mayReplace };
    const model = await deadlines.watch(() => chooseModel(wish, backend, deadlines.signal));
    Object.assign(asked, { backend: backend.name, model });
    settings.onPhase?.('loading', model);
    const request: GenerateRequest = {
      model,
      strictModel: task.model !== undefined,
      messages: conversationOf(task),
      images: (task.images ?? []).map((image) => Buffer.from(image, 'base64')),
      options: task.options ?? {},
      format: task.format,
      maxAnswerBytes: run.maxAnswerBytes,
    };
    const ask = openExchange(run, backend);
    const generate = (one: GenerateRequest) =>
      format === null ? ask(one) : generateFitting(one, format.check, ask);
    const generation =
      earlier === undefined
        ? await generate(request)
        : await generateReply(task, {
            ...{ earlier, request, generate },
            longest: () => deadlines.watch(() => longestContext(backend, model, deadlines.signal)),
            onFitted: (context) => Object.assign(asked, { context }),
          });
    noteOtherModel(request, generation, backend, settings.log);
    return outcomeOf(backend, generation);
  } catch (error) {
    isGiven = !reachedNothing(error);
    asked.isMissing ||= error instanceof MissingModel;
    throw error;
  } finally {
    if (isGiven) asked.attempts += 1;
  }
}

/**
 * Returns what generates once. It throws `answer_too_large` for a model that runs on past `maxAnswerBytes`,
 * and once a token came nothing that lets another backend begin again what this one said.
 */
function openExchange(
  { maxAnswerBytes, deadlines, onToken }: Run,
  backend: Backend,
): (request: GenerateRequest) => Promise<Generation> {
  const tooLarge = `the answer has more than ${maxAnswerBytes} bytes; it was stopped there`;
  let spoke = false;
  return async (request) => {
    let bytes = 0;
    const take: OnToken = (sign) => {
      deadlines.alive();
      if (sign.type === 'begins') bytes = 0;
      if (sign.type === 'piece') {
        spoke = true;
        bytes += Buffer.byteLength(sign.content) + Buffer.byteLength(sign.thinking);
        if (bytes > maxAnswerBytes) deadlines.fail(backendError(backend, 'answer_too_large', tooLarge));
      }
      onToken(sign);
    };
    try {
      return await deadlines.watch(() => backend.generate(request, deadlines.signal, take));
    } catch (error) {
      if (spoke && error instanceof BackendError && saysNothingBegan(error)) {
        throw new BackendError('backend_error', error.message, { cause: error, kind: 'lost' });
      }
      throw await withInstalledModels(error, backend, deadlines.signal);
    }
  };
}

function saysNothingBegan({ code, kind }: BackendError): boolean {
  return code === 'backend_unreachable' || kind === 'busy';
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
