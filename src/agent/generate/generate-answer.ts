import type { Answer } from '../../protocol/answer.js';
import { errorText } from '../../protocol/bridge-error.js';
import { excerpt, oneLine } from '../../protocol/printable.js';
import type { TaskFormat, TaskJson } from '../../protocol/task.js';
import type { Backend, BackendError, GenerateRequest, Generation, OnToken } from '../backends/backend.js';
import { MAX_ERROR_MESSAGE_CHARS } from '../backends/backend-failure.js';
import { lmstudioBackend } from '../backends/lmstudio/lmstudio-backend.js';
import { ollamaBackend } from '../backends/ollama/ollama-backend.js';
import { sameLmstudioModel } from '../backends/same-model.js';
import { startDeadlines } from './deadline.js';
import { outliveLoss } from './outlive-loss.js';
import { openExchange } from './exchange.js';
import { generateFitting } from './generate-format.js';
import type { GenerateSettings } from './generate-settings.js';
import type { FormatCheck } from './json-format.js';

/** The half of an `inbox.json` that comes from a model server. Exactly one of `answer` and `error` is null. */
export type GenerationOutcome = Pick<
  Answer,
  'model' | 'backend' | 'answer' | 'error' | 'thinking' | 'finish_reason' | 'usage' | 'context'
>;

/**
 * Generates the answer to a task, or the error that takes its place: whatever a model server does, it is an outcome.
 * Throws only the reason of `signal` once that is aborted, and BridgeError `usage` where an address in the settings is none.
 * `onToken` is called at every sign of life with the text that came, thinking included; the text of a first try that did
 * not fit its format too.
 *
 * 1. A JSON Schema that does not compile is answered without asking a model.
 * 2. The task's backend, or those of the settings in their order, until one can be reached. One that goes away in the middle is
 *    waited for, and asked from the beginning.
 * 3. The model: the task's, the settings', or the first listed.
 * 4. The answer, under the idle and the total deadline; for a format, checked and generated once more if need be.
 */
export async function generateAnswer(
  task: TaskJson,
  settings: GenerateSettings,
  signal: AbortSignal,
  onToken: OnToken,
): Promise<GenerationOutcome> {
  signal.throwIfAborted();
  const backends = openBackends(task, settings);
  const totalMs = task.timeout_s === undefined ? settings.totalTimeoutMs : task.timeout_s * 1000;
  const deadlines = startDeadlines({ idleMs: settings.idleTimeoutMs, totalMs }, signal);
  const asked: Asked = { backend: null, model: null };
  try {
    const check = task.format === undefined ? null : await formatCheck(task.format);
    return await outliveLoss(backends, settings, deadlines.signal, async (backend) => {
      const exchange = openExchange(backend, settings, deadlines, onToken);
      const request = await exchange.prepare(task);
      Object.assign(asked, { backend: backend.name, model: request.model });
      const generation =
        check === null
          ? await exchange.generate(request)
          : await generateFitting(request, check, exchange.generate);
      noteOtherModel(request, generation, backend, settings.log);
      return outcomeOf(backend, generation);
    });
  } catch (error) {
    signal.throwIfAborted();
    return failureOf(error, asked);
  } finally {
    deadlines.stop();
  }
}

/** What was asked last, for the error answer. */
type Asked = { backend: GenerationOutcome['backend']; model: string | null };

function openBackends(task: TaskJson, settings: GenerateSettings): Backend[] {
  const open = {
    ollama: () => ollamaBackend(settings.ollamaUrl),
    lmstudio: () => lmstudioBackend(settings.lmstudioUrl),
  };
  const order = task.backend === undefined ? settings.order : [task.backend];
  return order.map((name) => open[name]());
}

function noteOtherModel(
  request: GenerateRequest,
  generation: Generation,
  backend: Backend,
  log: GenerateSettings['log'],
): void {
  if (backend.name !== 'lmstudio' || sameLmstudioModel(request.model, generation.model)) return;
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
  const code = isBackendError(error) ? error.code : 'backend_error';
  const message = excerpt(oneLine(errorText(error)), MAX_ERROR_MESSAGE_CHARS);
  // Where none could be reached, none was chosen.
  const { backend, model } = code === 'backend_unreachable' ? { backend: null, model: null } : asked;
  return { model, backend, answer: null, error: { code, message: message === '' ? code : message } };
}

/** By its name: the validator below may come from a newer version, which has a class of its own, when the package was exchanged meanwhile. */
function isBackendError(error: unknown): error is BackendError {
  return error instanceof Error && error.name === 'BackendError';
}

/** The validator of JSON Schema is loaded for the tasks that need it: 10 MB. */
async function formatCheck(format: TaskFormat): Promise<(answer: string) => FormatCheck> {
  const { compileFormat } = await import('./json-format.js');
  return compileFormat(format);
}
