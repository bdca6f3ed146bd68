import type { Usage } from '../../../protocol/answer.js';
import { toWellFormed, toWellFormedJson } from '../../../protocol/text.js';
import type { Assembler } from './assembler.js';
import { cleanJson, isJson, type Json, jsonOf, textOf } from './clean-json.js';
import { readEvent } from './read-event.js';
import { tokensOf, wordOf } from './said-at-end.js';

/**
 * `/api/chat` and `/api/generate`: the texts, calls and log probabilities of all lines; all else as the last
 * line says it, which has the counts and the context.
 */
export class LinesAssembler implements Assembler {
  readonly #said: 'message' | 'response';
  /** The fields that are not put together from all lines. The last value of each counts. */
  readonly #rest: Record<string, unknown> = {};
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, unknown[]>();
  #role: unknown = 'assistant';
  #whole: Json | null = null;

  constructor(said: 'message' | 'response') {
    this.#said = said;
  }

  take(event: string): void {
    const value = readEvent(event)?.value;
    if (value === undefined || !(this.#said in value)) return;
    const { message, ...line } = value;
    if (this.#said === 'message') {
      const { role, ...parts } = jsonOf(message);
      this.#role = textOf(role) ?? this.#role;
      this.#add(parts);
    } else {
      const { response, thinking } = line;
      this.#add({ response, thinking });
    }
    this.#add({ logprobs: line.logprobs });
    const { response: _text, thinking: _thought, logprobs: _chances, ...rest } = line;
    Object.assign(this.#rest, rest);
  }

  /** Adds each part to the text or the list of its name. */
  #add(parts: Json): void {
    for (const [name, part] of Object.entries(parts)) {
      if (typeof part === 'string') this.#texts.set(name, (this.#texts.get(name) ?? '') + part);
      if (!Array.isArray(part)) continue;
      const list = this.#lists.get(name) ?? [];
      this.#lists.set(name, list);
      for (const item of part) list.push(item);
    }
  }

  read(body: Json): void {
    this.#whole = jsonOf(cleanJson(body));
  }

  isComplete(): boolean {
    const { done, done_reason } = this.#whole ?? this.#rest;
    // Ollama's engine for MLX ends with the reason and without `done`: ollama/ollama-vscode#60.
    return done === true || textOf(done_reason) !== undefined;
  }

  body(): Record<string, unknown> {
    return toWellFormedJson({ ...(this.#whole ?? this.#put()) });
  }

  #put(): Json {
    const said: Record<string, unknown> = { content: '' };
    for (const [name, text] of this.#texts) if (text !== '' || name === 'content') said[name] = text;
    for (const [name, list] of this.#lists) if (name !== 'logprobs') said[name] = list;
    const logprobs = this.#lists.get('logprobs');
    const chances = logprobs === undefined ? {} : { logprobs };
    if (this.#said === 'message') {
      return { ...this.#rest, message: { role: this.#role, ...said }, ...chances };
    }
    const { content: _none, ...rest } = said;
    return { ...this.#rest, response: '', ...rest, ...chances };
  }

  text(): string | null {
    const text = this.#part(this.#said === 'message' ? 'content' : 'response');
    return text === undefined ? null : toWellFormed(text);
  }

  thinking(): string | null {
    const thinking = this.#part('thinking');
    return thinking === undefined || thinking === '' ? null : toWellFormed(thinking);
  }

  #part(name: string): string | undefined {
    if (this.#whole === null) return this.#texts.get(name);
    const holder = this.#said === 'message' ? jsonOf(this.#whole.message) : this.#whole;
    const text = holder[name];
    return typeof text === 'string' ? text : undefined;
  }

  finishReason(): string | undefined {
    return wordOf((this.#whole ?? this.#rest).done_reason);
  }

  usage(): Usage | undefined {
    return tokensOf(this.#whole ?? this.#rest, 'prompt_eval_count', 'eval_count');
  }

  model(): string | undefined {
    const { model } = this.#whole ?? this.#rest;
    return isJson(model) ? undefined : textOf(model);
  }
}
