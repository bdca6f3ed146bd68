import { DEFAULT_MAX_ANSWER_BYTES } from '../../protocol/limits.js';
import { conversationOf, type TaskJson } from '../../protocol/task.js';
import {
  type Backend,
  BackendError,
  type GenerateRequest,
  type Generation,
  type OnToken,
} from '../backends/backend.js';
import { backendError } from '../backends/backend-failure.js';
import type { Deadlines } from './deadline.js';
import { chooseModel, withInstalledModels } from './choose-model.js';
import type { GenerateSettings } from './generate-settings.js';

/** The exchange with one backend about one task, under the task's deadlines. Both calls throw as `Backend` does. */
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
        if (spoke && error instanceof BackendError && error.code === 'backend_unreachable') {
          throw new BackendError('backend_error', error.message, { cause: error, isLost: true });
        }
        throw await withInstalledModels(error, backend, deadlines.signal);
      }
    },
  };
}

function tooLarge(backend: Backend, maxBytes: number): BackendError {
  return backendError(
    backend,
    'answer_too_large',
    `the answer has more than ${maxBytes} bytes; it was stopped there`,
  );
}
