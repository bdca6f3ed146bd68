import { formatDuration } from '../../protocol/duration.js';
import { DEFAULT_MAX_ANSWER_BYTES } from '../../protocol/limits.js';
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
import { backendNamed } from '../backends/backends.js';

/** The exchange with one backend about one task, under its deadlines. Both calls throw as `Backend` does. */
export interface Exchange {
  /** Chooses the model and makes the request of the task. */
  prepare(task: TaskJson): Promise<GenerateRequest>;
  /**
   * Generates once. Throws `answer_too_large` for a model that runs on past `maxAnswerBytes`, and never
   * `backend_unreachable` once a token came: no other backend is to begin again what this one said.
   */
  generate(request: GenerateRequest): Promise<Generation>;
}

/** Opens the exchange. */
export function openExchange(
  backend: Backend,
  settings: Pick<GenerateSettings, 'model' | 'order' | 'maxAnswerBytes'>,
  deadlines: Deadlines,
  onToken: OnToken,
): Exchange {
  const maxBytes = settings.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES;
  let spoke = false;
  return {
    async prepare(task) {
      const model = await deadlines.watch(() => chooseModel(task, settings, backend, deadlines.signal));
      return {
        model,
        strictModel: task.model !== undefined,
        messages: conversationOf(task),
        images: (task.images ?? []).map((image) => Buffer.from(image, 'base64')),
        options: task.options ?? {},
        format: task.format,
        maxAnswerBytes: maxBytes,
      };
    },
    async generate(request) {
      let bytes = 0;
      const take = (text: string) => {
        spoke = true;
        bytes += Buffer.byteLength(text);
        if (bytes > maxBytes) deadlines.fail(tooLarge(backend, maxBytes));
        deadlines.alive();
        onToken(text);
      };
      try {
        return await deadlines.watch(() => backend.generate(request, deadlines.signal, take));
      } catch (error) {
        if (spoke && error instanceof BackendError && mayBeAskedAnew(error)) {
          throw new BackendError('backend_error', error.message, { cause: error, kind: 'lost' });
        }
        throw await withInstalledModels(error, backend, deadlines.signal);
      }
    },
  };
}

/** True for a failure that says of itself that nothing was generated yet. */
function mayBeAskedAnew(error: BackendError): boolean {
  return error.code === 'backend_unreachable' || error.kind === 'busy';
}

function tooLarge(backend: Backend, maxBytes: number): BackendError {
  return backendError(
    backend,
    'answer_too_large',
    `the answer has more than ${maxBytes} bytes; it was stopped there`,
  );
}

/**
 * The model to ask `backend` for: the task's own, as it is; else the one of the settings; else the first the
 * backend lists. The model of the settings is meant for the first backend of the order, so on another one
 * that lacks it the first listed stands in; a task's model is never replaced. Throws BackendError `no_model`
 * where none is listed.
 */
async function chooseModel(
  task: TaskJson,
  settings: Pick<GenerateSettings, 'model' | 'order'>,
  backend: Backend,
  signal: AbortSignal,
): Promise<string> {
  if (task.model !== undefined) return task.model;
  if (settings.model !== undefined && settings.order[0] === backend.name) return settings.model;
  const installed = await backend.listModels(signal);
  const { sameModel } = backendNamed(backend.name);
  const wanted = settings.model;
  const found = wanted === undefined ? undefined : installed.find((model) => sameModel(wanted, model));
  const model = found ?? installed[0];
  if (model !== undefined) return model;
  throw backendError(backend, 'no_model', `no model is installed; try: ${backend.noModelRemedy}`);
}

/** How many installed models a message names. */
const MAX_LISTED = 20;

/** Adds to an error `model_not_found` which models there are; gives any other error back as it is. */
async function withInstalledModels(error: unknown, backend: Backend, signal: AbortSignal): Promise<unknown> {
  if (!(error instanceof BackendError) || error.code !== 'model_not_found') return error;
  const installed = await backend.listModels(signal).catch(() => null);
  if (installed === null) return error;
  const more = installed.length > MAX_LISTED ? ` and ${installed.length - MAX_LISTED} more` : '';
  const list =
    installed.length === 0
      ? `no model is installed; try: ${backend.noModelRemedy}`
      : `installed: ${installed.slice(0, MAX_LISTED).join(', ')}${more}`;
  return new BackendError('model_not_found', `${error.message}; ${list}`, { cause: error });
}

/** The times within which a generation has to show life and to end, in milliseconds. */
export interface DeadlineTimes {
  /** The longest silence, the one before the first token included. */
  readonly idleMs: number;
  /** The longest time in all, from the start of the deadlines on. */
  readonly totalMs: number;
}

/** Running deadlines. `signal` aborts with BackendError `timeout` once one has passed, or as the outer. */
export interface Deadlines {
  readonly signal: AbortSignal;
  /** Runs one exchange with a model server under the idle deadline. */
  watch<T>(exchange: () => Promise<T>): Promise<T>;
  /** Says that a token came: the idle deadline starts again. */
  alive(): void;
  /** Aborts the signal with another reason. */
  fail(reason: Error): void;
  /** Stops the clocks. Has to be called, or the timers keep the process. */
  stop(): void;
}

/** The longest delay a timer takes, in milliseconds: 24.8 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Starts the total deadline; the idle one runs inside `watch` only. Both end with `signal`. */
export function startDeadlines(times: DeadlineTimes, signal: AbortSignal): Deadlines {
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  // By hand and not by AbortSignal.any: that one stays tied to a signal that lives as long as the agent.
  signal.addEventListener('abort', follow, { once: true });
  if (signal.aborted) follow();
  const total = startTimer(times.totalMs, () => {
    controller.abort(timeout(`no complete answer within ${formatDuration(times.totalMs)} (total deadline)`));
  });
  let idle: NodeJS.Timeout | undefined;
  return {
    signal: controller.signal,
    async watch(exchange) {
      idle = startTimer(times.idleMs, () => {
        controller.abort(timeout(`no token for ${formatDuration(times.idleMs)} (idle deadline)`));
      });
      try {
        return await exchange();
      } finally {
        clearTimeout(idle);
        idle = undefined;
      }
    },
    alive: () => void idle?.refresh(),
    fail: (reason) => controller.abort(reason),
    stop() {
      clearTimeout(total);
      clearTimeout(idle);
      signal.removeEventListener('abort', follow);
    },
  };
}

function startTimer(ms: number, onEnd: () => void): NodeJS.Timeout {
  return setTimeout(onEnd, Math.min(ms, MAX_TIMER_MS));
}

function timeout(message: string): BackendError {
  return new BackendError('timeout', message);
}
