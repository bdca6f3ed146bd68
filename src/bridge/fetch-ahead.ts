import type { TiedProgram } from '../process/start-tied.js';
import { timeLimit } from '../process/time-limit.js';
import type { BridgeConnection } from './connection.js';
import type { AheadSession } from './held-session.js';
import { untilAborted } from './notifier.js';
import { openAhead } from './open-ahead.js';
import type { SshConnection } from './run-ssh.js';

/** What the server sent. */
export interface FetchedAhead {
  /** The id of main. */
  readonly tip: string;
  /** What is new on main, as a pack. */
  readonly pack: Buffer;
}

/**
 * A session of `bridge-fetch`, which is opened before there is anything to fetch: until it has something, a
 * fetch waits mostly for programs to start. It takes one fetch.
 */
export interface FetchAhead extends AheadSession {
  /**
   * What is new since the commit `known`, once. Null where the session did not bring it, for whatever
   * reason: a fetch by git tells. Throws the signal's reason.
   */
  fetch(known: string, signal: AbortSignal): Promise<FetchedAhead | null>;
}

/** A server that hangs is not waited for: git fetches instead. Milliseconds. */
const TIMEOUT_MS = 10_000;

/** What is larger is fetched by git, which keeps it on the disk. Bytes. */
const MAX_REPLY_BYTES = 8 * 1024 * 1024;

/**
 * Opens one on the shared connection; null where there is none. Use it where the terms of the bridge have
 * `hasFetchAhead`.
 */
export function openFetchAhead({ ssh }: BridgeConnection): FetchAhead | null {
  return ssh?.shared === undefined ? null : new Session(ssh);
}

class Session implements FetchAhead {
  readonly #opened: Promise<TiedProgram | null>;
  readonly #stop = new AbortController();
  readonly #ended = new AbortController();
  #reply: Buffer[] = [];
  #bytes = 0;
  #isTaken = false;

  constructor(connection: SshConnection) {
    this.#opened = openAhead(connection, 'bridge-fetch', this.#stop.signal).then((program) => {
      if (program === null) this.#ended.abort();
      else this.#listen(program);
      return program;
    });
  }

  isOpen(): boolean {
    return !this.#isTaken && !this.#ended.signal.aborted;
  }

  async fetch(known: string, signal: AbortSignal): Promise<FetchedAhead | null> {
    this.#isTaken = true;
    // It may still be opening, and for that a connection may have to log in first.
    const over = timeLimit(TIMEOUT_MS, signal, this.#ended.signal);
    const program = await untilAborted(this.#opened, over).catch(() => null);
    signal.throwIfAborted();
    const stdin = program?.child.stdin;
    if (!stdin?.writable) return null;
    stdin.end(`${known}\n`);
    await aborted(over);
    signal.throwIfAborted();
    const isWhole = this.#ended.signal.aborted && program?.child.exitCode === 0;
    return isWhole && this.#bytes <= MAX_REPLY_BYTES ? readReply(Buffer.concat(this.#reply)) : null;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await (await this.#opened)?.end();
  }

  #listen({ child, end }: TiedProgram): void {
    child.on('error', () => this.#ended.abort());
    child.on('close', () => this.#ended.abort());
    child.stderr?.resume();
    child.stdout?.on('data', (bytes: Buffer) => {
      this.#bytes += bytes.length;
      if (this.#bytes <= MAX_REPLY_BYTES) this.#reply.push(bytes);
      else {
        this.#reply = [];
        void end();
      }
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** A start-up file of the server's shell may have printed something in front of it. */
const REPLY = /(?:^|\n)([0-9a-f]{40}(?:[0-9a-f]{24})?)\nPACK/;

/** Exported for its test: null where the bytes are no reply. */
export function readReply(bytes: Buffer): FetchedAhead | null {
  const found = REPLY.exec(bytes.toString('latin1'));
  if (found === null) return null;
  const [text, tip = ''] = found;
  return { tip, pack: bytes.subarray(found.index + text.length - 'PACK'.length) };
}
