import { THINKING_TAGS } from '../backends/split-thinking.js';

/** A piece of content, with its thinking told apart. */
export interface FilteredPiece {
  readonly text: string;
  readonly thinking: string;
}

/**
 * How harmony, the format of gpt-oss, marks its thinking, as far as a reader of the beginning can tell:
 * everything up to the channel `final`.
 */
const HARMONY_FINAL = '<|channel|>final<|message|>';
const TAGS: readonly { readonly open: string; readonly close: string }[] = [
  ...THINKING_TAGS,
  { open: '<|channel|>analysis<|message|>', close: HARMONY_FINAL },
  { open: '<|start|>assistant<|channel|>analysis<|message|>', close: HARMONY_FINAL },
];

/**
 * Tells thinking from the answer while the text comes, as `splitThinking` does with the whole of it, where
 * the tags say so from the beginning on. Thinking that only the end can tell (a closing tag that nothing
 * opened) goes out as the answer; the answer itself corrects what readers of the stream saw. Holds back no
 * more than what may be the beginning of a tag.
 */
export class ThinkingFilter {
  /** `head`: what comes next may be an opening tag. */
  #state: 'head' | 'thinking' | 'text' = 'head';
  /** What cannot be told yet. */
  #held = '';
  #close = '';
  #hasThought = false;

  push(content: string): FilteredPiece {
    if (this.#state === 'text') return { text: content, thinking: '' };
    this.#held += content;
    let thinking = '';
    for (;;) {
      if (this.#state === 'thinking') {
        const end = this.#held.indexOf(this.#close);
        const until = end < 0 ? this.#held.length - beginningAtEnd(this.#held, this.#close) : end;
        thinking += this.#held.slice(0, until);
        this.#held = this.#held.slice(end < 0 ? until : end + this.#close.length);
        if (end < 0) return { text: '', thinking };
        this.#state = 'head';
      }
      const rest = this.#held.trimStart();
      const tag = TAGS.find(({ open }) => rest.startsWith(open));
      if (tag === undefined) {
        if (TAGS.some(({ open }) => open.startsWith(rest))) return { text: '', thinking };
        return { text: this.rest(), thinking };
      }
      this.#held = rest.slice(tag.open.length);
      this.#close = tag.close;
      this.#hasThought = true;
      this.#state = 'thinking';
    }
  }

  /** Returns what was held back and belongs to the answer. Call it at the end of the text. */
  rest(): string {
    if (this.#state !== 'head') return '';
    this.#state = 'text';
    // After thinking, white space before the answer is left out.
    const text = this.#hasThought ? this.#held.trimStart() : this.#held;
    this.#held = '';
    return text;
  }
}

/** How many characters at the end of `text` are the beginning of `tag`. */
function beginningAtEnd(text: string, tag: string): number {
  for (let length = Math.min(tag.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(tag.slice(0, length))) return length;
  }
  return 0;
}
