import { endProgram, killGroup } from './end-program.js';
import { type Command, type StartOptions, spawnProgram } from './start-program.js';

/** What is kept of what a program says. */
export interface KeptOutput {
  /**
   * How many bytes of standard output are kept, and how many of standard error; the rest is read and
   * dropped. Default: all of standard output, and the two ends of standard error.
   */
  readonly maxBytes?: number;
  /** Whether the first or the last bytes are kept. Default `first`. */
  readonly keep?: 'first' | 'last';
  /** What it says on standard error stands in `stdout` too, in the order in which it came. */
  readonly merged?: boolean;
}

/** How a program is run to its end. */
export interface RunOptions extends Omit<StartOptions, 'ownGroup'> {
  /** Written to its standard input, which is empty otherwise. */
  readonly input?: Uint8Array | string | undefined;
  /** Default: all of it. */
  readonly output?: KeptOutput | 'ignored';
  /** Open files that it is handed, as its files 3, 4 and so on. */
  readonly files?: readonly number[];
  readonly signal?: AbortSignal | undefined;
  /** It is ended after this long. */
  readonly timeoutMs?: number | undefined;
  /** It is ended after this long without a word. */
  readonly silenceMs?: number | undefined;
  /** How long it may take to end once it is told to; then it is killed. Default 2 s. */
  readonly graceMs?: number;
  /**
   * How long after its end its output is waited for: a child that it left behind may hold that open for
   * ever. Default: until it is closed.
   */
  readonly lastOutputMs?: number;
}

/** What a program ended as. */
export interface ProgramResult {
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
  readonly killedBy: NodeJS.Signals | null;
  /** Why it was ended from here; null where it ended by itself. */
  readonly endedFor: 'time' | 'silence' | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** The last output of a program that was ended may arrive a moment after its end. Milliseconds. */
const LAST_OUTPUT_MS = 200;

/**
 * Runs a program and waits until it has ended and its output is read. Whatever it ends as is a result. One
 * that can be ended from here, by signal, time or silence, has a process group of its own, and all of that
 * ends. Rejects with Node's error where the program cannot be started, and with the signal's reason once it
 * aborts.
 */
export function runProgram(command: Command, options: RunOptions): Promise<ProgramResult> {
  const { input, output = {}, files = [], signal, timeoutMs, silenceMs } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const ownGroup = signal !== undefined || timeoutMs !== undefined || silenceMs !== undefined;
    const out = output === 'ignored' ? 'ignore' : 'pipe';
    const stdin = input === undefined ? 'ignore' : 'pipe';
    const start = { env: options.env, cwd: options.cwd, as: options.as, ownGroup };
    const child = spawnProgram(command, [stdin, out, out, ...files], start);
    let ending: Promise<void> | null = null;
    let endedFor: ProgramResult['endedFor'] = null;
    let late: NodeJS.Timeout | undefined;
    let isClosed = false;

    /** Lets go of its output soon: what it has started may hold that open. */
    const dropOutput = (afterMs: number) => {
      if (isClosed) return;
      late ??= setTimeout(() => {
        for (const stream of child.stdio) stream?.destroy();
      }, afterMs);
    };
    const end = (why: ProgramResult['endedFor']) => {
      if (ending !== null) return;
      endedFor = why;
      ending = endProgram(child, options.graceMs).then(() => {
        // It would go on beside the next run. What is aborted or hangs may still remove its temporary files.
        if (why === 'time') killGroup(child);
        dropOutput(LAST_OUTPUT_MS);
      });
    };
    const abort = () => {
      end(null);
      // Nobody reads its output any more.
      dropOutput(0);
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => end('time'), timeoutMs);
    const silence = silenceMs === undefined ? undefined : setTimeout(() => end('silence'), silenceMs);
    signal?.addEventListener('abort', abort, { once: true });
    const done = () => {
      isClosed = true;
      clearTimeout(timer);
      clearTimeout(silence);
      clearTimeout(late);
      signal?.removeEventListener('abort', abort);
    };

    const kept = output === 'ignored' ? {} : output;
    const stdout = keeper(kept);
    const stderr = kept.merged ? stdout : kept.maxBytes === undefined ? new BothEnds() : keeper(kept);
    for (const [stream, to] of [
      [child.stdout, stdout],
      [child.stderr, stderr],
    ] as const) {
      stream?.on('data', (chunk: Buffer) => {
        to.add(chunk);
        silence?.refresh();
      });
    }
    child.on('error', (error) => {
      done();
      reject(error);
    });
    const { lastOutputMs } = options;
    if (lastOutputMs !== undefined) child.on('exit', () => dropOutput(lastOutputMs));
    child.on('close', (exitCode, killedBy) => {
      done();
      const settle = () => {
        if (signal?.aborted) reject(signal.reason);
        else resolve({ exitCode, killedBy, endedFor, stdout: stdout.bytes(), stderr: stderr.text() });
      };
      if (ending === null) settle();
      else void ending.then(settle);
    });
    // It may end before it has read its input. Then its exit code tells what happened, not the broken pipe.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/**
 * How much is kept of either end, in bytes: the first words of git and ssh tell the cause, their last ones
 * how it ended.
 */
const MAX_END_BYTES = 64 * 1024;

/**
 * What a program says on standard error: all of it, or its first and last bytes where it says more than
 * anybody reads. So a flood from the other side fills no memory.
 */
export class BothEnds {
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;

  add(chunk: Buffer): void {
    const toHead = chunk.subarray(0, MAX_END_BYTES - this.#headBytes);
    if (toHead.length > 0) this.#head.push(toHead);
    this.#headBytes += toHead.length;
    const rest = chunk.subarray(toHead.length);
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailBytes += rest.length;
    // Not at every chunk: a flood of small ones would be copied again with each.
    if (this.#tailBytes <= 2 * MAX_END_BYTES) return;
    this.#tail = [Buffer.concat(this.#tail).subarray(-MAX_END_BYTES)];
    this.#tailBytes = MAX_END_BYTES;
  }

  text(): string {
    return Buffer.concat([...this.#head, ...this.#tail]).toString('utf8');
  }
}

/** Keeps what is said, or one end of it. */
function keeper({ maxBytes = Number.POSITIVE_INFINITY, keep = 'first' }: KeptOutput) {
  let chunks: Buffer[] = [];
  let length = 0;
  const bytes = () => Buffer.concat(chunks);
  return {
    add(chunk: Buffer): void {
      if (keep === 'last') chunks = [Buffer.concat([...chunks, chunk]).subarray(-maxBytes)];
      else if (length < maxBytes) {
        chunks.push(length + chunk.length > maxBytes ? chunk.subarray(0, maxBytes - length) : chunk);
        length += chunk.length;
      }
    },
    bytes,
    text: () => bytes().toString('utf8'),
  };
}
