import { createInterface, type Interface } from 'node:readline';
import { PassThrough, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { ReadStream, WriteStream } from 'node:tty';
import { MAX_KEPT_LINES } from './line-history.js';
import type { LineSource } from './line-source.js';
import { MARK_PASTES, NO_MARKS, PasteFilter, type Typed } from './paste-filter.js';

const CTRL_C = '\u0003';

/** Stands in the line for a pasted text until that takes its place. No keyboard has this character. */
const PASTE_KEY = '\uf8fe';

/** A lone Escape is held for this long, because a mark may begin with it. Milliseconds. */
const ESCAPE_MS = 50;

/** What is typed while an answer is written is kept for the next line, up to this. Characters. */
const MAX_AHEAD_CHARS = 64 * 1024;

/**
 * Node's types have the first two as read-only; a line is exchanged by setting both and drawing again. The
 * third begins a new line, as Enter does, but without the event.
 */
type Editable = { -readonly [Key in 'line' | 'cursor']: Interface[Key] } & { clearLine(): void };

/**
 * Lines from a terminal, edited by Node's readline. A pasted text is one line of the chat, however many
 * lines it has. Between two lines the terminal stays in raw mode: what is typed then does not stand in the
 * middle of an answer, and is there at the next line.
 */
export class TerminalLines implements LineSource {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #keys: PassThrough & { isTTY?: boolean; setRawMode?: (on: boolean) => unknown };
  readonly #readline: Interface;
  readonly #screen: Writable & { columns?: number };
  readonly #filter = new PasteFilter();
  readonly #decoder = new StringDecoder('utf8');
  readonly #lines: string[] = [];
  readonly #pasted: string[] = [];
  #wanted: ((line: string | null) => void) | null = null;
  #interrupt: (() => void) | null = null;
  #ahead = '';
  #isOver = false;
  #escape: NodeJS.Timeout | undefined;

  /** `history`: earlier lines, the newest first. `hint`: printed at Ctrl-C where nothing is typed. */
  constructor(
    { input, output }: { readonly input: ReadStream; readonly output: WriteStream },
    { history, hint }: { readonly history: readonly string[]; readonly hint: string },
  ) {
    this.#input = input;
    this.#output = output;
    this.#keys = new PassThrough();
    this.#keys.isTTY = true;
    this.#keys.setRawMode = (on) => input.setRawMode(on);
    // Readline would draw its line again at every change of the size, also in the middle of an answer.
    this.#screen = new Writable({
      decodeStrings: false,
      write: (text: string, _encoding, done) => void output.write(text, () => done()),
    });
    Object.defineProperty(this.#screen, 'columns', { get: () => output.columns });
    output.on('resize', this.#onResize);
    this.#readline = createInterface({
      ...{ input: this.#keys, output: this.#screen, terminal: true },
      ...{ history: [...history], historySize: MAX_KEPT_LINES, removeHistoryDuplicates: true },
    });
    this.#readline.on('line', (line) => this.#take(line));
    this.#readline.on('SIGINT', () => this.#clear(hint));
    this.#readline.on('close', () => this.#end());
    // Readline's own listener came first, so the key stands in the line already.
    this.#keys.on('keypress', (key: string | undefined) => {
      if (key === PASTE_KEY) this.#putPasted();
    });
    input.on('data', this.#onData);
    input.on('end', this.#onEnd);
    input.on('error', this.#onEnd);
    process.once('exit', this.#restore);
    output.write(MARK_PASTES);
  }

  next(prompt: string): Promise<string | null> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#isOver) return Promise.resolve(null);
    const next = new Promise<string | null>((resolve) => {
      this.#wanted = resolve;
    });
    this.#readline.setPrompt(prompt);
    this.#readline.prompt(true);
    const ahead = this.#ahead;
    this.#ahead = '';
    if (ahead !== '') this.#put(this.#filter.push(ahead));
    return next;
  }

  onInterrupt(act: (() => void) | null): void {
    this.#interrupt = act;
  }

  /** A signal from elsewhere, which does what the key Ctrl-C does. */
  interrupt(): void {
    if (this.#wanted === null) this.#interrupt?.();
    else this.#readline.emit('SIGINT');
  }

  close(): void {
    this.#interrupt?.();
    this.#output.off('resize', this.#onResize);
    this.#input.off('data', this.#onData);
    this.#input.off('end', this.#onEnd);
    this.#input.off('error', this.#onEnd);
    clearTimeout(this.#escape);
    this.#readline.close();
    this.#input.pause();
    process.off('exit', this.#restore);
    this.#restore();
  }

  readonly #restore = (): void => {
    this.#output.write(NO_MARKS);
  };

  readonly #onResize = (): void => {
    if (this.#wanted !== null) this.#screen.emit('resize');
  };

  readonly #onEnd = (): void => {
    this.#interrupt?.();
    this.#readline.close();
  };

  readonly #onData = (bytes: Buffer): void => {
    const text = this.#decoder.write(bytes);
    if (this.#wanted !== null) {
      this.#put(this.#filter.push(text));
      return;
    }
    const at = text.lastIndexOf(CTRL_C);
    if (at >= 0) {
      // As in a shell, Ctrl-C discards what was typed before it.
      this.#ahead = '';
      this.#interrupt?.();
    }
    this.#ahead = `${this.#ahead}${text.slice(at + 1)}`.slice(0, MAX_AHEAD_CHARS);
  };

  #put(typed: readonly Typed[]): void {
    clearTimeout(this.#escape);
    for (const one of typed) {
      if ('pasted' in one) {
        this.#pasted.push(one.pasted);
        this.#keys.write(PASTE_KEY);
      } else this.#keys.write(one.keys.replaceAll(PASTE_KEY, ''));
    }
    this.#escape = setTimeout(() => {
      for (const one of this.#filter.flush()) if ('keys' in one) this.#keys.write(one.keys);
    }, ESCAPE_MS);
  }

  #putPasted(): void {
    const text = this.#pasted.shift() ?? '';
    const { line, cursor } = this.#readline;
    const at = line.lastIndexOf(PASTE_KEY, cursor);
    if (at < 0) return;
    const editable = this.#readline as unknown as Editable;
    editable.line = `${line.slice(0, at)}${text}${line.slice(at + PASTE_KEY.length)}`;
    editable.cursor = at + text.length;
    this.#readline.prompt(true);
  }

  #take(line: string): void {
    const wanted = this.#wanted;
    this.#wanted = null;
    if (wanted === null) this.#lines.push(line);
    else wanted(line);
  }

  /** As a shell: what was typed goes, and a new line begins. */
  #clear(hint: string): void {
    const isEmpty = this.#readline.line === '';
    (this.#readline as unknown as Editable).clearLine();
    if (isEmpty) this.#screen.write(`${hint}\n`);
    this.#readline.prompt();
  }

  #end(): void {
    this.#isOver = true;
    const wanted = this.#wanted;
    this.#wanted = null;
    wanted?.(null);
  }
}
