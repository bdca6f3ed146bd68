import type { Usage } from '../../../protocol/answer.js';
import { toWellFormedJson } from '../../../protocol/text.js';
import type { Assembler } from './assembler.js';
import { cleanJson, type Json, jsonOf, textOf } from './clean-json.js';
import { readEvent } from './read-event.js';
import { tokensOf } from './said-at-end.js';

/** Embeddings. They come whole and are kept as they came. */
export class EmbeddingsAssembler implements Assembler {
  #body: Json | null = null;

  take(event: string): void {
    const value = readEvent(event)?.value;
    if (value !== undefined) this.#body = value;
  }

  read(body: Json): void {
    this.#body = jsonOf(cleanJson(body));
  }

  isComplete(): boolean {
    const { data, embeddings, embedding } = this.#body ?? {};
    return [data, embeddings, embedding].some(Array.isArray);
  }

  body(): Record<string, unknown> {
    return toWellFormedJson({ ...this.#body });
  }

  text(): null {
    return null;
  }

  thinking(): null {
    return null;
  }

  finishReason(): undefined {
    return undefined;
  }

  usage(): Usage | undefined {
    const { usage, prompt_eval_count } = this.#body ?? {};
    return tokensOf(usage ?? { prompt_tokens: prompt_eval_count }, 'prompt_tokens', 'completion_tokens');
  }

  model(): string | undefined {
    return textOf(this.#body?.model);
  }
}
