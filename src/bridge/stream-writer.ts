import { once } from 'node:events';
import { startTied, type TiedProgram } from '../process/start-tied.js';
import { PieceEncoder } from '../protocol/piece-encoder.js';
import type { StreamPiece } from '../protocol/stream.js';
import type { BridgeConnection } from './connection.js';
import { onlyShared, type SshConnection, sshWords } from './run-ssh.js';
import type { SayAhead } from './say-ahead.js';
import { StreamFileWriter } from './stream-file-writer.js';

/** Sends what is generated for one task. Nothing depends on it, so none of its methods throws. */
export interface StreamWriter {
  /**
   * Sends a piece at once, and does not wait for it. Does nothing where the stream could not be opened,
   * broke, is full, or has been closed. A text may end within a character: the rest of it comes with the
   * next piece.
   */
  write(piece: StreamPiece): void;
  /** Waits until what was written has left, for two seconds at most, and ends the stream. */
  close(): Promise<void>;
}

/** A stream with more than this waiting for the server is ended. Bytes. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** How long close waits. Milliseconds. */
const CLOSE_MS = 2_000;

/**
 * Opens the stream of a task: a file on this machine, or `bridge-say` in a session of the shared connection.
 * It takes a moment to open; what is written meanwhile waits. Where the server takes no further session, or
 * the bridge is reached in another way, what is written goes nowhere. Use it where the terms of the bridge
 * have `hasStreams`. `ahead` is a session that was opened for it; where that is gone, another one is opened.
 * The signal ends the stream at once.
 */
export function openStreamWriter(
  connection: BridgeConnection,
  task: string,
  { signal, ahead = null }: { readonly signal?: AbortSignal; readonly ahead?: SayAhead | null } = {},
): StreamWriter {
  const { address, env, ssh } = connection;
  if (address.kind === 'local') return new StreamFileWriter({ gitDir: address.url, env }, task, signal);
  return ssh === null ? NOWHERE : new SshWriter(ssh, task, signal, ahead);
}

const NOWHERE: StreamWriter = { write: () => {}, close: async () => {} };

class SshWriter implements StreamWriter {
  readonly #encoder = new PieceEncoder();
  readonly #opened: Promise<void>;
  readonly #signal: AbortSignal | undefined;
  readonly #stop = () => this.#lose();
  /** What was written before the session was there; null once it is, or is not to be. */
  #early: Buffer[] | null = [];
  #waitingBytes = 0;
  #program: TiedProgram | null = null;
  #isOver = false;

  constructor(
    connection: SshConnection,
    task: string,
    signal: AbortSignal | undefined,
    ahead: SayAhead | null,
  ) {
    this.#signal = signal;
    signal?.addEventListener('abort', this.#stop, { once: true });
    this.#opened = this.#open(connection, task, ahead).catch(() => this.#lose());
  }

  write(piece: StreamPiece): void {
    if (this.#isOver) return;
    const bytes = this.#encoder.encode(piece);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#lose();
    else if (this.#early !== null) this.#early.push(bytes);
    else this.#send(bytes);
  }

  async close(): Promise<void> {
    const timer = setTimeout(this.#stop, CLOSE_MS);
    await this.#opened;
    const child = this.#program?.child;
    const isGone = child === undefined || child.exitCode !== null || child.signalCode !== null;
    if (!isGone && !this.#isOver) {
      // Not its output: another program may hold that open.
      const left = once(child, 'exit').catch(() => {});
      child.stdin?.end();
      await left;
    }
    clearTimeout(timer);
    this.#lose();
    await this.#program?.end();
  }

  async #open(connection: SshConnection, task: string, ahead: SayAhead | null): Promise<void> {
    const program = (await ahead?.take(task)) ?? (await this.#start(connection, task));
    if (program === null) return this.#lose();
    if (this.#isOver) return await program.end();
    this.#program = program;
    const { child } = program;
    child.stdout?.resume();
    child.stderr?.resume();
    child.stdin?.on('error', this.#stop);
    child.on('error', this.#stop);
    child.on('close', this.#stop);
    const early = this.#early ?? [];
    this.#early = null;
    for (const bytes of early) this.#send(bytes);
  }

  /** Null where it is over before it began. */
  async #start(connection: SshConnection, task: string): Promise<TiedProgram | null> {
    await connection.shared?.ready(this.#signal);
    if (this.#isOver || this.#signal?.aborted) return null;
    const words = sshWords(connection, onlyShared(connection), `bridge-say ${task}`);
    return startTied(words, { env: connection.env, stdin: 'pipe' });
  }

  #send(bytes: Buffer): void {
    this.#program?.child.stdin?.write(bytes, () => {
      this.#waitingBytes -= bytes.length;
    });
  }

  /** Ends the stream where it is. */
  #lose(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#early = null;
    this.#signal?.removeEventListener('abort', this.#stop);
    void this.#program?.end();
  }
}
