import { REPETITION } from '../../protocol/answer.js';
import { isJsonObject } from '../../protocol/json-object.js';
import { DEFAULT_MAX_ANSWER_BYTES } from '../../protocol/limits.js';
import { modelOfRequest, type RequestPath, type TaskRequest } from '../../protocol/request.js';
import type { TaskJson } from '../../protocol/task.js';
import type { GenerateSettings } from '../agent-options.js';
import {
  type ApiCall,
  type Backend,
  type CallEnd,
  type CallReader,
  DEFAULT_MAX_CONTEXT,
  type OnToken,
} from '../backends/backend.js';
import { purposeOf } from '../backends/call-prompt.js';
import { StreamedText } from '../backends/streamed-text.js';
import { type GenerationOutcome, unaskedOutcome } from '../compose-answer.js';
import { type Attempt, askBackends } from '../generate/ask-backends.js';
import { chooseModel, wishOf } from '../generate/choose-model.js';
import { openExchange } from '../generate/open-exchange.js';
import type { Assembler } from './assemble/assembler.js';
import { openAssembler } from './assemble/open-assembler.js';
import { OpenAnswer } from './closing-events.js';
import { isStreamable } from './is-streamable.js';
import { type JudgedCall, judgeRequest } from './judge-request.js';
import { refusalOf } from './refusal-of.js';
import { saidInEvent } from './said-in-event.js';

/** A task that is an API call. */
export type RequestTask = TaskJson & { readonly request: TaskRequest };

/**
 * Passes a call on, or says why not. Whatever a model server does is an outcome.
 * 1. Judge it: what may not go to a model server is an error, or is left out and named.
 * 2. Reach a backend that serves the path (`ask-backends.ts`), and choose the model: the call's, where that
 *    backend lists it, else the settings' or the best that is there.
 * 3. Send it, streamed where that can be, so that life is seen and the call can be ended; `onToken` is told
 *    of each event.
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
  // The agent's model is one that chats.
  const agent = purpose === 'chat' ? settings.model : undefined;
  const kind = { mustBeListed: true, mustRunHere: task.local_only === true, purpose };
  const wish = { task: judged.model, agent, ...kind, ...wishOf(attempt) };
  const model = await deadlines.watch(() => chooseModel(wish, backend, deadlines.signal));
  await attempt.chose(model);
  settings.onPhase?.('loading', model);
  const isStreamed = isStreamable(path, judged.body);
  const call: ApiCall = {
    ...{ path, model, isStreamed, maxAnswerBytes },
    strictModel: judged.model !== undefined,
    body: { ...judged.body, ...streamFields(path, isStreamed) },
    isHeard: task.stream === true,
  };
  const exchange = openExchange({ ...run, attempt });
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

/** Puts the response to one call together, and says what comes. */
class CallAssembly implements CallReader {
  readonly #call: ApiCall;
  readonly #take: OnToken;
  #assembler: Assembler;
  #text: StreamedText;
  #isEndless = false;
  #open = new OpenAnswer();

  constructor(call: ApiCall, take: OnToken) {
    this.#call = call;
    this.#take = take;
    this.#assembler = openAssembler(this.#call.path);
    this.#text = new StreamedText(wantsJson(call.body));
  }

  begins(): void {
    this.#assembler = openAssembler(this.#call.path);
    this.#text = new StreamedText(wantsJson(this.#call.body));
    this.#isEndless = false;
    this.#open = new OpenAnswer();
    this.#take({ type: 'begins' });
  }

  alive(): void {
    this.#take({ type: 'alive' });
  }

  event(raw: string, value: unknown): boolean {
    const { content, thinking, bytes } = saidInEvent(this.#call.path, value);
    this.#assembler.take(raw);
    this.#take({ type: 'event', event: raw, bytes });
    if (content + thinking !== '') this.#take({ type: 'piece', content, thinking });
    if (isJsonObject(value)) this.#open.take(value);
    this.#isEndless = this.#text.take({ content, thinking }) && this.#assembler.finishReason() === undefined;
    if (this.#isEndless) this.#close();
    return this.#isEndless;
  }

  /** A model that repeats itself would not end its answer. */
  #close(): void {
    for (const event of this.#open.close(this.#call.path, this.#text.content)) {
      this.#assembler.take(event);
      this.#take({ type: 'event', event, bytes: 0 });
    }
  }

  body(body: Readonly<Record<string, unknown>>): void {
    this.#assembler.read(body);
    this.#take({ type: 'alive' });
  }

  end(): CallEnd {
    return {
      isWhole: this.#assembler.isComplete(),
      usage: this.#assembler.usage(),
      finishReason: this.#isEndless ? REPETITION : this.#assembler.finishReason(),
    };
  }

  /** The answer that the response is. */
  outcome(backend: Pick<Backend, 'name'>, { finishReason, usage }: CallEnd): GenerationOutcome {
    const assembler = this.#assembler;
    const text = assembler.text();
    return {
      model: assembler.model() ?? this.#call.model,
      backend: backend.name,
      answer: text === '' ? null : text,
      error: null,
      response: { status: 200, body: assembler.body() },
      ...(finishReason === undefined ? {} : { finish_reason: finishReason }),
      ...(usage === undefined ? {} : { usage }),
    };
  }
}

/** Whether the answer is to be JSON, by the names of the APIs. */
function wantsJson({ format, response_format }: Readonly<Record<string, unknown>>): boolean {
  if (format !== undefined) return true;
  const { type } = (response_format ?? {}) as { readonly type?: unknown };
  return type === 'json_object' || type === 'json_schema';
}
