import type { Usage } from '../../../protocol/answer.js';
import { toWellFormed, toWellFormedJson } from '../../../protocol/text.js';
import type { Assembler } from './assembler.js';
import { cleanJson, isJson, type Json, jsonOf, listOf, placeOf, textOf } from './clean-json.js';
import { mergeDelta, settled } from './merge-delta.js';
import { isDone, readEvent } from './read-event.js';
import { tokensOf, wordOf } from './said-at-end.js';

/** How many choices an answer may have: more than any call may ask for. */
const MAX_CHOICES = 128;

interface Choice {
  /** The message of a chat, the `text` of a completion. */
  readonly said: Record<string, unknown>;
  readonly logprobs: Record<string, unknown>;
  /** The other fields of the choice. The last value of each counts. */
  readonly rest: Record<string, unknown>;
  finish: string | null;
}

/**
 * `/v1/chat/completions` and `/v1/completions`: the deltas of each choice by its index, and the usage from
 * whichever event has it last.
 */
export class ChoicesAssembler implements Assembler {
  readonly #object: 'chat.completion' | 'text_completion';
  readonly #asked: number;
  readonly #choices = new Map<number, Choice>();
  readonly #head: Record<string, unknown> = {};
  #isDone = false;
  #whole: Json | null = null;

  /** `asked`: how many choices were asked for. */
  constructor(object: 'chat.completion' | 'text_completion', asked: number) {
    this.#object = object;
    this.#asked = asked;
  }

  take(event: string): void {
    if (isDone(event)) this.#isDone = true;
    const value = readEvent(event)?.value;
    if (value === undefined || !Array.isArray(value.choices)) return;
    const { choices, ...head } = value;
    for (const [key, said] of Object.entries(head)) {
      if (said !== null && !(key in this.#head && (key === 'id' || key === 'created')))
        this.#head[key] = said;
    }
    for (const choice of listOf(choices)) this.#takeChoice(choice);
  }

  #takeChoice({ index, delta, text, logprobs, finish_reason, ...rest }: Json): void {
    const place = index === undefined ? 0 : placeOf(index, MAX_CHOICES);
    if (place === null) return;
    const choice = this.#choices.get(place) ?? { said: {}, logprobs: {}, rest: {}, finish: null };
    this.#choices.set(place, choice);
    if (isJson(delta)) mergeDelta(choice.said, cleanDelta(delta));
    if (typeof text === 'string') mergeDelta(choice.said, { text });
    if (isJson(logprobs)) mergeDelta(choice.logprobs, logprobs);
    else if (logprobs === null && !('logprobs' in choice.rest)) choice.rest.logprobs = null;
    Object.assign(choice.rest, rest);
    if (textOf(finish_reason) !== undefined) choice.finish = finish_reason as string;
  }

  read(body: Json): void {
    this.#whole = jsonOf(cleanJson(body));
  }

  isComplete(): boolean {
    if (this.#whole !== null) return Array.isArray(this.#whole.choices);
    const choices = [...this.#choices.values()];
    // One choice may begin when another has ended.
    return this.#isDone || (choices.length >= this.#asked && choices.every(({ finish }) => finish !== null));
  }

  body(): Record<string, unknown> {
    const body = this.#whole ?? {
      ...this.#head,
      object: this.#object,
      choices: [...this.#choices].sort(([a], [b]) => a - b).map(([index, one]) => this.#choiceOf(index, one)),
    };
    return toWellFormedJson({ ...body });
  }

  #choiceOf(index: number, { said, logprobs, rest, finish }: Choice): Json {
    const chances = Object.keys(logprobs).length === 0 ? {} : { logprobs: settled(logprobs) };
    const own = jsonOf(settled(said));
    const answer = this.#object === 'text_completion' ? { text: '', ...own } : { message: messageOf(own) };
    return { index, ...answer, ...rest, ...chances, finish_reason: finish };
  }

  text(): string | null {
    const first = this.#first();
    const text = this.#object === 'text_completion' ? first.text : first.content;
    return typeof text === 'string' ? toWellFormed(text) : null;
  }

  thinking(): string | null {
    const { reasoning_content, reasoning } = this.#first();
    const thinking = textOf(reasoning_content) ?? textOf(reasoning);
    return thinking === undefined ? null : toWellFormed(thinking);
  }

  /** What the first answer says. */
  #first(): Json {
    if (this.#whole === null) return this.#choices.get(this.#firstPlace())?.said ?? {};
    const [choice = {}] = listOf(this.#whole.choices);
    return this.#object === 'text_completion' ? choice : jsonOf(choice.message);
  }

  #firstPlace(): number {
    return Math.min(...this.#choices.keys());
  }

  finishReason(): string | undefined {
    if (this.#whole !== null) return wordOf(listOf(this.#whole.choices)[0]?.finish_reason);
    return wordOf(this.#choices.get(this.#firstPlace())?.finish);
  }

  usage(): Usage | undefined {
    return tokensOf((this.#whole ?? this.#head).usage, 'prompt_tokens', 'completion_tokens');
  }

  model(): string | undefined {
    return textOf((this.#whole ?? this.#head).model);
  }
}

/** A delta whose list of calls has only objects. */
function cleanDelta(delta: Json): Json {
  return 'tool_calls' in delta ? { ...delta, tool_calls: listOf(delta.tool_calls) } : delta;
}

/** A message as the API has it without a stream. */
function messageOf(said: Json): Json {
  const calls = listOf(said.tool_calls);
  const { tool_calls: _calls, content, ...rest } = said;
  const hasOther = calls.length > 0 || typeof said.refusal === 'string' || isJson(said.function_call);
  return {
    role: 'assistant',
    ...rest,
    content: textOf(content) ?? (hasOther ? null : (content ?? '')),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map((call) => ({ type: 'function', ...call })) }),
  };
}
