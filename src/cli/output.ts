import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import pc from 'picocolors';
import { BridgeError } from '../protocol/bridge-error.js';
import { stripControls } from '../protocol/printable.js';
import { escapeJsonText, stringifyEscaped } from '../protocol/strict-json.js';

/** Where output goes. */
export type OutputStream = typeof process.stdout;

/** Moves the cursor to the first column of the first line, and clears all below it. */
const HOME_AND_CLEAR = '\u001b[1;1H\u001b[0J';

/** A colour, as picocolors writes it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a colour
const COLOUR = /(\u001b\[[0-9;]*m)/;

/**
 * Standard output. Everything that a command prints goes through here, because output counts: exit code 0
 * means that it was written. Each call resolves once the text is with the system, and rejects with a
 * BridgeError where it could not be written: `output-failed` (a full disk, say), or `output-closed` where
 * the reader of a pipe went away, which is not to be reported. After a failure nothing more is written.
 */
export class Output {
  private readonly stream: OutputStream;
  private readonly failure = new AbortController();

  constructor(stream: OutputStream) {
    this.stream = stream;
    // Each write reports its own failure. Without a listener, the event would also end the process.
    stream.on('error', () => {});
  }

  /** The stream itself, for an editor of lines, which draws on it. Nothing else writes past this class. */
  get raw(): OutputStream {
    return this.stream;
  }

  get isTerminal(): boolean {
    return this.stream.isTTY === true;
  }

  /** How wide the terminal is; undefined where there is none. */
  get columns(): number | undefined {
    return this.stream.columns;
  }

  /** How high the terminal is, in rows; undefined where there is none. */
  get rows(): number | undefined {
    return this.stream.rows;
  }

  /** Calls `changed` whenever the terminal gets another size. */
  onResize(changed: () => void): void {
    this.stream.on('resize', changed);
  }

  /**
   * Aborts with the BridgeError of the first write that failed: for a command that prints from a callback.
   */
  get failed(): AbortSignal {
    return this.failure.signal;
  }

  /**
   * Prints text for a person, with a line break at its end. Of control characters, line breaks, tabs and our
   * own colours stay.
   */
  async print(text: string, remedy?: string): Promise<void> {
    await this.write(withLineBreak(forPeople(text)), remedy);
  }

  /**
   * Prints what a model said, with a line break at its end: as it is into a file or a pipe, where it is
   * data, and without control characters on a terminal.
   */
  async printAnswer(text: string, remedy?: string): Promise<void> {
    await this.write(withLineBreak(this.isTerminal ? stripControls(text) : text), remedy);
  }

  /** Prints a value as one line of JSON, in characters that do nothing to a terminal and break no line. */
  async json(value: unknown, remedy?: string): Promise<void> {
    await this.write(`${stringifyEscaped(value)}\n`, remedy);
  }

  /**
   * Prints a line that should be JSON already, escaped in the same way. A line of `answers.log` stays byte
   * for byte; a damaged one loses its control characters.
   */
  async jsonLine(line: string): Promise<void> {
    await this.write(`${stripControls(escapeJsonText(line))}\n`);
  }

  /** Prints text for a person: on a terminal in the place of what stood there, elsewhere after it. */
  async redraw(text: string): Promise<void> {
    await this.write(`${this.isTerminal ? HOME_AND_CLEAR : ''}${withLineBreak(forPeople(text))}`);
  }

  /** Writes text and cursor movements as they are. For a terminal; what a model said is stripped before. */
  async draw(text: string, remedy?: string): Promise<void> {
    await this.write(text, remedy);
  }

  private async write(text: string, remedy?: string): Promise<void> {
    this.failed.throwIfAborted();
    const { fd } = this.stream;
    try {
      if (this.stream instanceof Socket) await written(this.stream, text);
      else writeWhole(fd, text);
    } catch (cause) {
      const error = outputError(cause as NodeJS.ErrnoException, remedy);
      this.failure.abort(error);
      throw error;
    }
  }
}

/** A pipe or a terminal. */
function written(stream: OutputStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * A file or a device. Node's own stream writes such a text once and does not look how much of it was taken,
 * so a full disk would cut it in silence.
 */
function writeWhole(fd: number, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function outputError(cause: NodeJS.ErrnoException, remedy?: string): BridgeError {
  const code = cause.code ?? cause.message;
  // Windows says EOF of a pipe that nobody reads.
  if (code === 'EPIPE' || code === 'EOF')
    return new BridgeError('nobody reads the output any more', {
      code: 'output-closed',
      remedy: 'nothing, if that was meant',
      cause,
    });
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new BridgeError(`cannot write the output (${cause.message})`, {
    code: 'output-failed',
    remedy:
      remedy ??
      (isFull
        ? 'make room where it goes, or send it elsewhere'
        : 'look where the output goes, or send it elsewhere'),
    cause,
  });
}

function forPeople(text: string): string {
  const parts = text.split(COLOUR);
  return parts
    .map((part, at) => (at % 2 === 1 ? (pc.isColorSupported ? part : '') : stripControls(part)))
    .join('');
}

function withLineBreak(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
