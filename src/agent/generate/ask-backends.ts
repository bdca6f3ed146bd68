import type { AnswerContext } from '../../protocol/answer.js';
import type { TaskJson } from '../../protocol/task.js';
import type { GenerateSettings } from '../agent-options.js';
import type { Backend } from '../backends/backend.js';
import type { BackendDescription } from '../backends/backend-description.js';
import { addressOf, backendNamed, isBackendName, openBackends, withAddress } from '../backends/backends.js';
import { isElsewhereError, reachedNothing, tryBackends } from '../backends/retries.js';
import {
  failedOutcome,
  type GenerationOutcome,
  unaskedOutcome,
  unknownBackend,
  withoutAddress,
} from '../compose-answer.js';
import { type Deadlines, startDeadlines } from '../deadlines.js';
import { ForbiddenHere, forbiddenHere, keptHere, runsElsewhere } from './local-only.js';

/** What says who is asked, and for how long. */
export interface Asking {
  /** `backend` and `timeout_s` count. */
  readonly task: TaskJson;
  /** The model that the task names: an error names it until a model is chosen. */
  readonly model: string | undefined;
  readonly settings: GenerateSettings;
  readonly signal: AbortSignal;
  /**
   * Which backends may be asked at all, and what the others lack, for a sentence. Default: all may be asked.
   */
  readonly serves?: { readonly what: string; by(backend: BackendDescription): boolean };
}

/** One attempt at a task, with one backend. */
export interface Attempt {
  readonly backend: Backend;
  /** No other backend may be asked. */
  readonly isAlone: boolean;
  /** Another model may replace the agent's, because the backend that it is meant for is away. */
  readonly mayReplace: boolean;
  readonly deadlines: Deadlines;
  /**
   * Says which model is asked. An error answer names it, and the answer says whether a third party reads
   * what is asked.
   */
  chose(model: string): Promise<void>;
  /** Says how much of the conversation before the task was sent. */
  fitted(context: AnswerContext): void;
}

/** What was asked last, for the error answer, and how often a server was given the task. */
interface Asked {
  backend: GenerationOutcome['backend'];
  model: string | null;
  attempts: number;
  /** A backend lacked the model, or the path. Of several, the record names the first. */
  isElsewhere: boolean;
  /** What is asked has gone, or is about to go, to a third party. */
  isCloud: boolean;
  context?: AnswerContext;
}

/**
 * Gives a task to the backend that it names, or to the first of those in the settings that can be reached
 * and has what the task needs, under the idle and the total deadline. Where a failure passes, the backend
 * gets the task again (`retries.ts`). Whatever a model server does is an outcome.
 *
 * `begin` is called once, under the deadlines; what it returns is called for each attempt. Throws the reason
 * of `signal` once that is aborted, ForbiddenHere for a task that none of the backends may have, and
 * BridgeError `usage` for a bad address in the settings.
 */
export async function askBackends(
  asking: Asking,
  begin: (
    deadlines: Deadlines,
  ) =>
    | Promise<(attempt: Attempt) => Promise<GenerationOutcome>>
    | ((a: Attempt) => Promise<GenerationOutcome>),
): Promise<GenerationOutcome> {
  const { task, signal, serves } = asking;
  signal.throwIfAborted();
  const reason = forbiddenHere(task, asking.settings);
  if (reason !== null) throw new ForbiddenHere(reason);
  const settings = task.local_only === true ? keptHere(asking.settings) : asking.settings;
  const { backend: named } = task;
  if (named !== undefined && !isBackendName(named)) return unknownBackend(named);
  if (named !== undefined && addressOf(named, settings) === null) return withoutAddress(named);
  const known = named === undefined ? settings.order : [named];
  const order = known.filter((name) => serves?.by(backendNamed(name)) ?? true);
  if (serves !== undefined && withAddress(order, settings).length === 0) {
    return unaskedOutcome('request_refused', `${known.join(', ')} of this agent: no ${serves.what} there`);
  }
  const backends = await openBackends(order, settings);
  const totalMs = task.timeout_s === undefined ? settings.totalTimeoutMs : task.timeout_s * 1000;
  const deadlines = startDeadlines({ idleMs: settings.idleTimeoutMs, totalMs }, signal);
  const asked: Asked = { backend: null, model: null, attempts: 0, isElsewhere: false, isCloud: false };
  try {
    const once = await begin(deadlines);
    const attempt = (backend: Backend) =>
      countAttempt(asking, asked, backend, (mayReplace) =>
        once({
          ...{ backend, isAlone: backends.length === 1, mayReplace, deadlines },
          chose: async (model) => {
            Object.assign(asked, { backend: backend.name, model });
            settings.memory?.asked.set(backend.url, model);
            const isCloud = await deadlines.watch(() =>
              runsElsewhere(backend, model, settings, deadlines.signal),
            );
            asked.isCloud ||= isCloud;
          },
          fitted: (context) => Object.assign(asked, { context }),
        }),
      );
    const outcome = await tryBackends(backends, settings, deadlines.signal, attempt);
    return withAttempts(outcome, asked);
  } catch (error) {
    signal.throwIfAborted();
    return withAttempts(failedOutcome(error, asked), asked);
  } finally {
    deadlines.stop();
  }
}

async function countAttempt(
  { model, settings }: Asking,
  asked: Asked,
  backend: Backend,
  attempt: (mayReplace: boolean) => Promise<GenerationOutcome>,
): Promise<GenerationOutcome> {
  // The agent's model is meant for the first backend of the order. Another model replaces it only where that
  // backend is away.
  const mayReplace = settings.order[0] !== backend.name && !asked.isElsewhere;
  if (!asked.isElsewhere) Object.assign(asked, { backend: backend.name, model: model ?? null });
  let isGiven = true;
  try {
    return await attempt(mayReplace);
  } catch (error) {
    isGiven = !reachedNothing(error);
    asked.isElsewhere ||= isElsewhereError(error);
    throw error;
  } finally {
    if (isGiven) asked.attempts += 1;
  }
}

/**
 * Adds the number of attempts where it was more than one, for a reply how much of the conversation was sent,
 * and that a third party was asked where one was.
 */
function withAttempts(outcome: GenerationOutcome, { attempts, context, isCloud }: Asked): GenerationOutcome {
  return {
    ...outcome,
    ...(attempts > 1 && { attempts }),
    ...(context && { context }),
    ...(isCloud && attempts > 0 && { cloud: true }),
  };
}
