import { REPETITION } from '../../protocol/answer.js';
import { isJsonObject } from '../../protocol/json-object.js';
import type { ApiCall, Backend, CallEnd, CallReader, OnToken } from '../backends/backend.js';
import { StreamedText } from '../backends/streamed-text.js';
import type { GenerationOutcome } from '../compose-answer.js';
import type { Assembler } from './assemble/assembler.js';
import { openAssembler } from './assemble/open-assembler.js';
import { OpenAnswer } from './open-answer.js';
import { saidInEvent } from './said-in-event.js';

/** Puts the response to one call together, and passes on its signs of life. */
export class CallAssembly implements CallReader {
  readonly #call: ApiCall;
  readonly #take: OnToken;
  #assembler: Assembler;
  #text: StreamedText;
  #isEndless = false;
  #open = new OpenAnswer();

  constructor(call: ApiCall, take: OnToken) {
    this.#call = call;
    this.#take = take;
    this.#assembler = openAssembler(call.path, call.body);
    this.#text = new StreamedText(wantsJson(call.body));
  }

  begins(): void {
    const { path, body } = this.#call;
    this.#assembler = openAssembler(path, body);
    this.#text = new StreamedText(wantsJson(body));
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

  /** Ends the answer of a model that repeats itself and would never end it. */
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

  isWhole(): boolean {
    return this.#assembler.isComplete();
  }

  end(): CallEnd {
    return {
      usage: this.#assembler.usage(),
      finishReason: this.#isEndless ? REPETITION : this.#assembler.finishReason(),
    };
  }

  /** The outcome with this response. */
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
