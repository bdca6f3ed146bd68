import type { BridgeConnection } from '../../bridge/connection.js';
import { openSayAhead, type SayAhead } from '../../bridge/say-ahead.js';
import { MAX_STREAMS } from '../../bridge/stream-folder.js';
import { openStreamWriter, type StreamWriter } from '../../bridge/stream-writer.js';
import type { GenerationSign } from '../backends/backend.js';
import { PieceJoiner } from './piece-joiner.js';
import { ThinkingFilter } from './thinking-filter.js';
import { WaitingWriter } from './waiting-writer.js';

/**
 * The most streams that are open at a time. Each is a session on the one connection, and our own guide
 * allows eight (`MaxSessions 8`): one is the doorbell, one the fetch or push of the loop, one the push of
 * claims, and one waits for the next fetch. Where the server refuses a session, ssh logs in again for it.
 */
export const MAX_OPEN_STREAMS = 4;

/** The same on the server itself, where a stream is a file and no session; no bridge has more of them. */
const MAX_OPEN_FILES = MAX_STREAMS;

/**
 * The stream of one task. Its methods never throw, and nothing waits for them. Each event of a call goes out
 * as it came, and with it the text in it, for readers that show only text.
 */
export interface TaskStream {
  /** Passes on a piece, an event, or a new beginning. */
  heard(sign: GenerationSign): void;
  /** The generation has ended by itself, and all of it was said. */
  end(): void;
  /** The generation was dropped. Its readers wait for what comes instead. */
  drop(): void;
}

/** The name of the agent, and the server's clock. */
interface Speaker {
  readonly agent: string;
  readonly now: () => number;
}

/**
 * A session that was opened ahead is ended where no task came for it within this time; the server ends it
 * after a minute. Milliseconds.
 */
const AHEAD_MS = 50_000;

/**
 * The session for the next stream is opened this long after the end of one: the push of its answer would
 * want the same processor. Milliseconds.
 */
const OPEN_AFTER_MS = 200;

/** How streams are opened. Tests have others. */
export interface TaskStreamsWays {
  openWriter(task: string, ahead: SayAhead | null): StreamWriter;
  openAhead(): SayAhead | null;
}

/** The streams of an agent: what is generated for a task goes to the server while it is. */
export class TaskStreams {
  readonly #ways: TaskStreamsWays;
  #free: number;
  readonly #queue: (() => void)[] = [];
  /** Whether the next task is likely to have a stream, because the last one had. */
  #isLikely = false;
  /** Whether the bridge has sessions that are opened ahead, as far as `expect` was called. */
  #hasAhead = false;
  #opening: NodeJS.Timeout | undefined;
  #ahead: { readonly session: SayAhead; readonly timer: NodeJS.Timeout } | null = null;

  constructor(connection: BridgeConnection, ways?: TaskStreamsWays) {
    this.#free = connection.address.kind === 'local' ? MAX_OPEN_FILES : MAX_OPEN_STREAMS;
    this.#ways = ways ?? {
      openWriter: (task, ahead) => openStreamWriter(connection, task, { ahead }),
      openAhead: () => openSayAhead(connection),
    };
  }

  /**
   * A task may be on its way. Where the last one had a stream, a session for the next is opened, if it was
   * not already behind that one. Where the session finds no task, no other is opened ahead until another
   * task has a stream, because it costs the server a process and us a session. Only where the terms of the
   * bridge have `hasSayAhead`.
   */
  expect(): void {
    this.#hasAhead = true;
    clearTimeout(this.#opening);
    if (!this.#isLikely || this.#ahead !== null || this.#free === 0) return;
    const session = this.#ways.openAhead();
    if (session === null) return;
    this.#free -= 1;
    const timer = setTimeout(() => void this.close(), AHEAD_MS);
    timer.unref();
    this.#ahead = { session, timer };
  }

  /** Ends what was opened ahead and found no task. */
  async close(): Promise<void> {
    clearTimeout(this.#opening);
    const session = this.#takeAhead();
    if (session === null) return;
    this.#isLikely = false;
    await session.close();
    this.#next();
  }

  #takeAhead(): SayAhead | null {
    const { session, timer } = this.#ahead ?? {};
    clearTimeout(timer);
    this.#ahead = null;
    return session ?? null;
  }

  /**
   * Opens the stream of a task. Call it before the model is loaded, so that the stream is open at the first
   * token. Where too many are open, what is said waits until another has ended.
   */
  open(task: string, { agent, now }: Speaker): TaskStream {
    const writer = new WaitingWriter();
    this.#isLikely = true;
    const leave = this.#enter((ahead) => {
      const opened = this.#ways.openWriter(task, ahead);
      writer.opened(opened);
      return opened;
    });
    const joiner = new PieceJoiner((piece) => writer.write(piece));
    let filter = new ThinkingFilter();
    let isOver = false;
    return {
      heard(sign) {
        if (isOver) return;
        if (sign.type === 'begins') {
          joiner.drop();
          filter = new ThinkingFilter();
          writer.write({ begin: { agent, at: new Date(now()).toISOString() } });
        } else if (sign.type === 'event') {
          joiner.pushEvent(sign.event);
        } else if (sign.type === 'piece') {
          joiner.push('thinking', sign.thinking);
          const { text, thinking } = filter.push(sign.content);
          joiner.push('thinking', thinking);
          joiner.push('text', text);
        }
      },
      end() {
        if (isOver) return;
        isOver = true;
        joiner.push('text', filter.rest());
        joiner.flush();
        writer.write({ end: true });
        leave();
      },
      drop() {
        isOver = true;
        joiner.drop();
        leave();
      },
    };
  }

  /**
   * Calls `start` once there is room. Returns a function that gives the room back, and may be called twice.
   */
  #enter(start: (ahead: SayAhead | null) => StreamWriter): () => void {
    let writer: StreamWriter | null = null;
    let isOver = false;
    const begin = (ahead: SayAhead | null = null) => {
      if (isOver) return this.#next();
      writer = start(ahead);
    };
    const ahead = this.#takeAhead();
    // A session that was opened ahead has its room already.
    if (ahead !== null) begin(ahead);
    else if (this.#free > 0) {
      this.#free -= 1;
      begin();
    } else this.#queue.push(begin);
    return () => {
      if (isOver) return;
      isOver = true;
      // Its place is free when its session has ended.
      if (writer === null) return;
      void writer.close().finally(() => {
        this.#next();
        clearTimeout(this.#opening);
        if (this.#hasAhead) this.#opening = setTimeout(() => this.expect(), OPEN_AFTER_MS).unref();
      });
    };
  }

  #next(): void {
    const begin = this.#queue.shift();
    if (begin === undefined) this.#free += 1;
    else begin();
  }
}
