import { formatDuration } from '../../protocol/duration.js';
import { imageFault } from '../../protocol/image-type.js';
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
import { chooseModel, type ModelWish, withInstalledModels } from './choose-model.js';

/** The exchange with one backend about one task, under its deadlines. Both calls throw as `Backend` does. */
export interface Exchange {
  /** Chooses the model and makes the request of the task. */
  prepare(task: TaskJson, wish: ModelWish): Promise<GenerateRequest>;
  /**
   * Generates once. Throws `answer_too_large` for a model that runs on past `maxAnswerBytes`, and never
   * `backend_unreachable` once a token came: no other backend is to begin again what this one said.
   */
  generate(request: GenerateRequest): Promise<Generation>;
}

/** Opens the exchange. */
export function openExchange(
  backend: Backend,
  settings: Pick<GenerateSettings, 'maxAnswerBytes'>,
  deadlines: Deadlines,
  onToken: OnToken,
): Exchange {
  const maxBytes = settings.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES;
  let spoke = false;
  return {
    async prepare(task, wish) {
      const fault = imageFault(task.images ?? []);
      if (fault !== null) throw new BackendError('invalid_task', fault);
      const model = await deadlines.watch(() => chooseModel(wish, backend, deadlines.signal));
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
      const take: OnToken = (sign) => {
        deadlines.alive();
        if (sign.type === 'begins') bytes = 0;
        if (sign.type === 'piece') {
          spoke = true;
          bytes += Buffer.byteLength(sign.content) + Buffer.byteLength(sign.thinking);
          if (bytes > maxBytes) deadlines.fail(tooLarge(backend, maxBytes));
        }
        onToken(sign);
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
