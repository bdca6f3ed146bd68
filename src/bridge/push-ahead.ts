import { once } from 'node:events';
import type { PushOutcome } from '../git/push.js';
import type { ObjectIds } from '../git/run-git.js';
import { formatPush, type MainPush, PushReply } from '../git/send-pack.js';
import { inTime } from '../process/in-time.js';
import type { TiedProgram } from '../process/start-tied.js';
import type { BridgeConnection } from './connection.js';
import { untilAborted } from './notifier.js';
import { openAhead } from './open-ahead.js';
import type { SshConnection } from './run-ssh.js';

/**
 * A session of `bridge-push`, which is opened before there is anything to push: until it has one, a push
 * waits mostly for programs to start. It takes one push.
 */
export interface PushAhead {
  /** Whether it can still be expected to take a push. */
  isOpen(): boolean;
  /**
   * Pushes, once; resolves when main is known to have moved, or why it has not. Null where the session was
   * gone before anything was sent. Throws as pushCommit does, and the signal's reason.
   */
  push(main: MainPush, ids: ObjectIds, signal?: AbortSignal): Promise<PushOutcome | null>;
  /** Ends it. After a push that main has moved for, the server gets a moment for what follows it. */
  close(): Promise<void>;
}

/** A push is given up after this time without a word from the server. Milliseconds. */
const SILENCE_MS = 180_000;

/** How long the server may take for what follows a push, before the session is ended. Milliseconds. */
const CLOSE_MS = 2_000;

/** The most of what the session says on standard error that is kept. */
const MAX_STDERR_CHARS = 16_384;

/**
 * Opens one on the shared connection; null where there is none. Use it where the terms of the bridge have
 * `hasPushAhead`.
 */
export function openPushAhead({ ssh }: BridgeConnection): PushAhead | null {
  return ssh?.shared === undefined ? null : new Session(ssh);
}

class Session implements PushAhead {
  readonly #url: string;
  readonly #opened: Promise<TiedProgram | null>;
  readonly #stop = new AbortController();
  readonly #reply = new PushReply();
  #stderr = '';
  #hasEnded = false;
  #isTaken = false;
  /** Something has been heard, or it has ended. */
  #heard = () => {};

  constructor(connection: SshConnection) {
    this.#url = connection.address.url;
    this.#opened = openAhead(connection, 'bridge-push', this.#stop.signal).then((program) => {
      if (program === null) this.#hasEnded = true;
      else this.#listen(program);
      return program;
    });
  }

  isOpen(): boolean {
    return !this.#isTaken && !this.#hasEnded;
  }

  async push(main: MainPush, ids: ObjectIds, signal?: AbortSignal): Promise<PushOutcome | null> {
    this.#isTaken = true;
    const program = await untilAborted(this.#opened, signal);
    signal?.throwIfAborted();
    const stdin = program?.child.stdin;
    if (program === null || this.#hasEnded || !stdin?.writable) return null;
    stdin.end(Buffer.concat([Buffer.from('push\n'), formatPush(main, ids)]));
    try {
      await this.#untilSaid(signal);
      return this.#reply.outcome(this.#url, this.#stderr);
    } finally {
      if (!this.#reply.isPushed) void program.end();
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    const program = await this.#opened;
    if (program === null || this.#hasEnded) return;
    // Another program may hold its output open for longer, as a connection does that hangs.
    const closed = once(program.child, 'close').catch(() => {});
    if (this.#reply.isPushed) await inTime(closed, CLOSE_MS);
    await program.end();
  }

  /** Waits until main has moved, the session has ended with all that it says, or that is no reply. */
  async #untilSaid(signal: AbortSignal | undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let abort = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        abort = () => reject(signal?.reason);
        signal?.addEventListener('abort', abort, { once: true });
        const late = () => {
          this.#stderr += '\nConnection timed out: no word from the server';
          resolve();
        };
        this.#heard = () => {
          clearTimeout(timer);
          timer = setTimeout(late, SILENCE_MS);
          if (this.#reply.isPushed || this.#reply.isBroken || this.#hasEnded) resolve();
        };
        this.#heard();
      });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      this.#heard = () => {};
    }
  }

  #listen({ child }: TiedProgram): void {
    child.on('error', () => this.#ended());
    child.on('close', () => this.#ended());
    child.stdout?.on('data', (bytes: Buffer) => {
      this.#reply.take(bytes);
      this.#heard();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (this.#stderr.length < MAX_STDERR_CHARS) this.#stderr += text;
      this.#heard();
    });
  }

  #ended(): void {
    this.#hasEnded = true;
    this.#heard();
  }
}
