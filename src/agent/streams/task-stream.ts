import type { BridgeConnection } from '../../bridge/connection.js';
import { MAX_STREAMS } from '../../bridge/stream-folder.js';
import { openStreamWriter, type StreamWriter } from '../../bridge/stream-writer.js';
import type { StreamPiece } from '../../protocol/stream.js';
import type { GenerationSign } from '../backends/backend.js';
import { PieceJoiner } from './piece-joiner.js';
import { ThinkingFilter } from './thinking-filter.js';

/**
 * The most streams that are open at a time. Each is a session on the one connection, and our own guide
 * allows eight (`MaxSessions 8`): one is the doorbell, one the fetch or push of the loop, one the push of
 * claims, one is left for what comes beside them. A session that the server refuses costs an answer a login
 * of its own.
 */
export const MAX_OPEN_STREAMS = 4;

/** The same on the server itself, where a stream is a file and no session; no bridge has more of them. */
const MAX_OPEN_FILES = MAX_STREAMS;

/** A stream that has said so much before there was room for it is given up. Characters. */
const MAX_WAITING_CHARS = 1024 * 1024;

/**
 * What is said while a task is generated. Nothing of it throws, and nothing waits for it. Of a call each
 * event goes out as it came, and beside it the text in it, for readers that show no more than that.
 */
export interface TaskStream {
  /** Passes on what is a piece or an event, or a start from the beginning. */
  heard(sign: GenerationSign): void;
  /** The generation has ended by itself; what was said is the whole of it. */
  end(): void;
  /** It was dropped: whoever reads waits for what comes instead. */
  drop(): void;
}

/** Who says it, and the server's clock. */
interface Speaker {
  readonly agent: string;
  readonly now: () => number;
}

/** The streams of an agent: what is generated for a task goes to the server while it is. */
export class TaskStreams {
  readonly #openWriter: (task: string) => StreamWriter;
  #free: number;
  readonly #queue: (() => void)[] = [];

  /** `openWriter` is for tests. */
  constructor(connection: BridgeConnection, openWriter?: (task: string) => StreamWriter) {
    this.#free = connection.address.kind === 'local' ? MAX_OPEN_FILES : MAX_OPEN_STREAMS;
    this.#openWriter = openWriter ?? ((task) => openStreamWriter(connection, task));
  }

  /**
   * Opens the stream of a task: call it before the model is loaded, so that the first token finds it open.
   * Where too many are open, what is said waits until another has ended.
   */
  open(task: string, { agent, now }: Speaker): TaskStream {
    const writer = new WaitingWriter();
    const leave = this.#enter(() => {
      const opened = this.#openWriter(task);
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

  /** Calls `start` once there is room. What is returned gives the room back, and may be called twice. */
  #enter(start: () => StreamWriter): () => void {
    let writer: StreamWriter | null = null;
    let isOver = false;
    const begin = () => {
      if (isOver) return this.#next();
      writer = start();
    };
    if (this.#free > 0) {
      this.#free -= 1;
      begin();
    } else this.#queue.push(begin);
    return () => {
      if (isOver) return;
      isOver = true;
      // Its place is free when its session has ended.
      if (writer !== null) void writer.close().finally(() => this.#next());
    };
  }

  #next(): void {
    const begin = this.#queue.shift();
    if (begin === undefined) this.#free += 1;
    else begin();
  }
}

/** Keeps what is said until there is a writer, within a bound. */
class WaitingWriter {
  #writer: StreamWriter | null = null;
  /** Null once too much of it waited. */
  #waiting: StreamPiece[] | null = [];
  #chars = 0;

  write(piece: StreamPiece): void {
    if (this.#writer !== null) {
      this.#writer.write(piece);
      return;
    }
    if (this.#waiting === null) return;
    // What came before a new beginning is void.
    if ('begin' in piece) {
      this.#waiting = [];
      this.#chars = 0;
    }
    if ('text' in piece) this.#chars += piece.text.length;
    if ('thinking' in piece) this.#chars += piece.thinking.length;
    if ('event' in piece) this.#chars += piece.event.length;
    if (this.#chars > MAX_WAITING_CHARS) this.#waiting = null;
    else this.#waiting.push(piece);
  }

  opened(writer: StreamWriter): void {
    if (this.#waiting === null) return;
    this.#writer = writer;
    for (const piece of this.#waiting.splice(0)) writer.write(piece);
  }
}
