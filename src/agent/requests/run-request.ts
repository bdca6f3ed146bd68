import { DEFAULT_MAX_ANSWER_BYTES } from '../../protocol/limits.js';
import { modelOfRequest, type RequestPath, type TaskRequest } from '../../protocol/request.js';
import type { TaskJson } from '../../protocol/task.js';
import type { GenerateSettings } from '../agent-options.js';
import { type ApiCall, DEFAULT_MAX_CONTEXT, type OnToken } from '../backends/backend.js';
import { purposeOf } from '../backends/call-prompt.js';
import { openExchange } from '../backends/open-exchange.js';
import { type GenerationOutcome, unaskedOutcome } from '../compose-answer.js';
import { type Attempt, askBackends } from '../generate/ask-backends.js';
import { CallAssembly } from './call-assembly.js';
import { isStreamable } from './is-streamable.js';
import { type JudgedCall, judgeRequest } from './judge-request.js';
import { refusalOf } from './refusal-of.js';

/** A task that is an API call. */
export type RequestTask = TaskJson & { readonly request: TaskRequest };

/**
 * Passes a call on, or says why not. Whatever a model server does is an outcome.
 * 1. Judge it: what may not go to a model server is an error, or is left out and named.
 * 2. Reach a backend that serves the path (`ask-backends.ts`), and choose the model: the call's, where that
 *    backend lists it, else the settings' or the best that is there.
 * 3. Send it, streamed where possible, so that its signs of life are seen and it can be ended; `onToken`
 *    gets each event.
 * 4. Put the events together as the body that would have come without a stream.
 *
 * Throws as `generateAnswer` does.
 */
export async function runRequest(
  task: RequestTask,
  settings: GenerateSettings,
  signal: AbortSignal,
  onToken: OnToken,
): Promise<GenerationOutcome> {
  const { maxContext = DEFAULT_MAX_CONTEXT, passFields = [] } = settings;
  const judged = judgeRequest(task.request, { maxContext, passFields });
  if ('refused' in judged) {
    return unaskedOutcome('request_refused', judged.refused.message);
  }
  const maxAnswerBytes = settings.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES;
  const { path } = judged;
  const serves = {
    what: path,
    by: ({ paths }: { readonly paths: readonly RequestPath[] }) => paths.includes(path),
  };
  const run: Run = { task, judged, settings, maxAnswerBytes, onToken };
  const model = modelOfRequest(task.request);
  const outcome = await askBackends({ task, model, settings, signal, serves }, async () => {
    return (attempt) => passOn(run, attempt);
  });
  return judged.dropped.length === 0 ? outcome : { ...outcome, dropped: judged.dropped };
}

/** What all attempts at one call share. */
interface Run {
  readonly task: RequestTask;
  readonly judged: JudgedCall;
  readonly settings: GenerateSettings;
  readonly maxAnswerBytes: number;
  readonly onToken: OnToken;
}

/** Steps 2 to 4, with one backend. Throws as `Backend` does. */
async function passOn(run: Run, attempt: Attempt): Promise<GenerationOutcome> {
  const { task, judged, settings, maxAnswerBytes } = run;
  const { backend, deadlines } = attempt;
  const { path } = judged;
  const purpose = purposeOf(path);
  // The agent's model is one that chats, so it is none for embeddings.
  const agent = purpose === 'chat' ? settings.model : undefined;
  const model = await attempt.choose({ task: judged.model, agent, mustBeListed: true, purpose });
  const isStreamed = isStreamable(path, judged.body);
  const call: ApiCall = {
    ...{ path, model, isStreamed, maxAnswerBytes },
    strictModel: judged.model !== undefined,
    body: { ...judged.body, ...streamFields(path, isStreamed) },
    isHeard: task.stream === true,
  };
  const exchange = openExchange({ ...run, backend, deadlines });
  try {
    return await exchange(async (signal, take) => {
      const reader = new CallAssembly(call, take);
      const end = await backend.call(call, signal, reader);
      return reader.outcome(backend, end);
    });
  } catch (error) {
    const refused = refusalOf(error);
    if (refused === null) throw error;
    return { ...refused, model, backend: backend.name };
  }
}

/** How a server of this path is told whether to stream. */
function streamFields(path: RequestPath, isStreamed: boolean): Readonly<Record<string, unknown>> {
  if (purposeOf(path) === 'embed') return {};
  const isCounted = isStreamed && (path === '/v1/chat/completions' || path === '/v1/completions');
  return { stream: isStreamed, ...(isCounted ? { stream_options: { include_usage: true } } : {}) };
}
