import type { AnswerContext } from '../../protocol/answer.js';
import type { TaskJson } from '../../protocol/task.js';
import type { GenerateSettings } from '../agent-options.js';
import { type Backend, BackendError } from '../backends/backend.js';
import type { BackendDescription } from '../backends/backend-description.js';
import { addressOf, backendNamed, isBackendName, openBackends, withAddress } from '../backends/backends.js';
import { messagesOf, Retries, reachedNothing } from '../backends/retries.js';
import {
  failedOutcome,
  type GenerationOutcome,
  unaskedOutcome,
  unknownBackend,
  withoutAddress,
} from '../compose-answer.js';
import { type Deadlines, startDeadlines } from '../deadlines.js';
import { allowedSettings } from '../queue/task-gate.js';
import { chooseModel, type ModelWish, runsElsewhere } from './choose-model.js';

/** What says who is asked, and for how long. */
export interface Asking {
  /** `backend`, `local_only` and `timeout_s` count. */
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
  readonly deadlines: Deadlines;
  /**
   * Chooses the model that is asked from now on. An error answer names it, and the answer says whether a
   * third party reads what is asked. Throws as `chooseModel` does.
   */
  choose(wish: OwnWish): Promise<string>;
  /** Says how much of the conversation before the task was sent. */
  fitted(context: AnswerContext): void;
}

/** What the task and the settings wish. The rest of a wish follows from who is asked. */
type OwnWish = Omit<ModelWish, 'isElsewherePossible' | 'mayReplace' | 'mustRunHere'>;

/** Makes one attempt. Throws as `Backend` does. */
type TryOnce = (attempt: Attempt) => Promise<GenerationOutcome>;

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
  begin: (deadlines: Deadlines) => TryOnce | Promise<TryOnce>,
): Promise<GenerationOutcome> {
  const { task, signal, serves } = asking;
  signal.throwIfAborted();
  const settings = allowedSettings(task, asking.settings);
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
  const attempts = new Attempts({ ...asking, settings }, deadlines);
  try {
    return await attempts.make(backends, await begin(deadlines));
  } catch (error) {
    signal.throwIfAborted();
    return attempts.failed(error);
  } finally {
    deadlines.stop();
  }
}

/** The attempts at one task, and what its answer says of them. */
class Attempts {
  readonly #asking: Asking;
  readonly #deadlines: Deadlines;
  /** What was asked last, for the error answer. */
  #asked: Pick<GenerationOutcome, 'backend' | 'model'> = { backend: null, model: null };
  /** How often a server was given the task. */
  #count = 0;
  /** A backend lacked the model, or the path. Of several, the record names the first. */
  #isElsewhere = false;
  /** What is asked has gone, or is about to go, to a third party. */
  #isCloud = false;
  #context: AnswerContext | undefined;

  constructor(asking: Asking, deadlines: Deadlines) {
    this.#asking = asking;
    this.#deadlines = deadlines;
  }

  /**
   * Tries one backend after the other until one can be reached that has what the task needs, and ends as
   * that attempt ends. Where a failure passes, it starts again. A server that got the task and failed is the
   * only one that is asked from then on: it was chosen, and its restart takes seconds. Throws as `Retries`
   * does.
   */
  async make(backends: readonly Backend[], tryOnce: TryOnce): Promise<GenerationOutcome> {
    const { settings } = this.#asking;
    const { signal } = this.#deadlines;
    const retries = new Retries(settings, signal);
    for (let candidates = backends; ; ) {
      const failed: BackendError[] = [];
      for (const backend of candidates) {
        try {
          signal.throwIfAborted();
          const outcome = await tryOnce(this.#begin(backend, backends.length === 1));
          if (failed.length > 0) settings.log?.(`${messagesOf(failed)}; ${backend.name} answered`);
          return this.#complete(outcome);
        } catch (error) {
          if (!(error instanceof BackendError)) throw error;
          failed.push(error);
          if (!reachedNothing(error)) {
            candidates = [backend];
            break;
          }
          this.#count -= 1;
          this.#isElsewhere ||= error.kind === 'elsewhere';
        }
      }
      await retries.after(failed);
    }
  }

  /** The outcome where the attempts ended with this error. */
  failed(error: unknown): GenerationOutcome {
    return this.#complete(failedOutcome(error, this.#asked));
  }

  /** Begins an attempt, which counts until it is known that the server was not given the task. */
  #begin(backend: Backend, isAlone: boolean): Attempt {
    const { task, model: named, settings } = this.#asking;
    const deadlines = this.#deadlines;
    this.#count += 1;
    if (!this.#isElsewhere) this.#asked = { backend: backend.name, model: named ?? null };
    // The agent's model is meant for the first backend of the order. Another model replaces it only where
    // that backend is away.
    const mayReplace = settings.order[0] !== backend.name && !this.#isElsewhere;
    const wish = { isElsewherePossible: !isAlone, mayReplace, mustRunHere: task.local_only === true };
    return {
      ...{ backend, deadlines },
      choose: async (own) => {
        const model = await deadlines.watch(() =>
          chooseModel({ ...own, ...wish }, backend, deadlines.signal),
        );
        this.#asked = { backend: backend.name, model };
        settings.memory?.asked.set(backend.url, model);
        const isCloud = await deadlines.watch(() =>
          runsElsewhere(backend, model, settings, deadlines.signal),
        );
        this.#isCloud ||= isCloud;
        settings.onPhase?.('loading', model);
        return model;
      },
      fitted: (context) => {
        this.#context = context;
      },
    };
  }

  /**
   * Adds the number of attempts where it was more than one, for a reply how much of the conversation was
   * sent, and that a third party was asked where one was.
   */
  #complete(outcome: GenerationOutcome): GenerationOutcome {
    return {
      ...outcome,
      ...(this.#count > 1 && { attempts: this.#count }),
      ...(this.#context && { context: this.#context }),
      ...(this.#isCloud && this.#count > 0 && { cloud: true }),
    };
  }
}
