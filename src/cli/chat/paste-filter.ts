import { stripControls } from '../../protocol/printable.js';

/** Asks a terminal to put marks around what is pasted, and takes that back. */
export const MARK_PASTES = '\u001b[?2004h';
export const NO_MARKS = '\u001b[?2004l';

const BEGIN = '\u001b[200~';
const END = '\u001b[201~';

/** What comes from the keyboard: keys as a terminal sends them, or a text that was pasted. */
export type Typed = { readonly keys: string } | { readonly pasted: string };

/** A longer paste is cut: no bridge takes such a question. Characters. */
const MAX_PASTE_CHARS = 16 * 1024 * 1024;

/**
 * Tells pasted text from typed keys. A mark may come in pieces, so what may be the beginning of one is kept
 * until the next piece, or `flush`.
 */
export class PasteFilter {
  #rest = '';
  #pasted: string | null = null;

  /** The next piece of input. */
  push(text: string): Typed[] {
    const typed: Typed[] = [];
    let rest = this.#rest + text;
    for (;;) {
      const mark = this.#pasted === null ? BEGIN : END;
      const at = rest.indexOf(mark);
      if (at < 0) {
        const kept = beginningOf(mark, rest);
        this.#take(rest.slice(0, rest.length - kept), typed);
        this.#rest = rest.slice(rest.length - kept);
        return typed;
      }
      this.#take(rest.slice(0, at), typed);
      if (this.#pasted === null) this.#pasted = '';
      else {
        typed.push({ pasted: pastedText(this.#pasted) });
        this.#pasted = null;
      }
      rest = rest.slice(at + mark.length);
    }
  }

  /** What was kept and is no mark, because nothing follows it: a person has pressed Escape. */
  flush(): Typed[] {
    const typed: Typed[] = [];
    if (this.#pasted !== null) return typed;
    this.#take(this.#rest, typed);
    this.#rest = '';
    return typed;
  }

  #take(text: string, typed: Typed[]): void {
    if (text === '') return;
    if (this.#pasted === null) typed.push({ keys: text });
    else this.#pasted = `${this.#pasted}${text}`.slice(0, MAX_PASTE_CHARS);
  }
}

/** How much at the end of a text may be the beginning of a mark. */
function beginningOf(mark: string, text: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length -= 1) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}

/** Terminals send line breaks as the key Enter does. */
function pastedText(text: string): string {
  return stripControls(text.replace(/\r\n?/g, '\n'));
}
