import type { BridgeConnection } from '../bridge/connection.js';
import { followStream } from '../bridge/follow-stream.js';
import type { StreamPiece } from '../protocol/stream.js';

/** The streams that a gateway follows. What is lost of them costs nothing: the answer says it all. */
export interface TaskStreams {
  /** Follows the stream of a task, from its beginning to its end. */
  follow(task: string): void;
  /** The answer is there: the rest of the stream is waited for a moment. */
  ending(task: string): void;
  leave(task: string): void;
  close(): Promise<void>;
}

/** How long the rest of a stream is waited for. Milliseconds. */
const TAIL_MS = 2_500;

/** Follows streams of a bridge; `take` hears each piece, and must not throw. */
export function openTaskStreams(
  connection: BridgeConnection,
  take: (task: string, piece: StreamPiece) => void,
): TaskStreams {
  const open = new Map<string, { readonly stop: () => void; readonly done: Promise<void> }>();
  const leave = (task: string) => {
    open.get(task)?.stop();
    open.delete(task);
  };
  const read = async (task: string, signal: AbortSignal) => {
    for await (const piece of followStream(connection, task, signal)) {
      if (signal.aborted) return;
      take(task, piece);
    }
    open.delete(task);
  };
  return {
    follow(task) {
      if (open.has(task)) return;
      const stopping = new AbortController();
      open.set(task, { stop: () => stopping.abort(), done: read(task, stopping.signal) });
    },
    ending(task) {
      if (open.has(task)) setTimeout(() => leave(task), TAIL_MS).unref();
    },
    leave,
    async close() {
      const ending = [...open.values()];
      for (const { stop } of ending) stop();
      await Promise.all(ending.map(({ done }) => done));
    },
  };
}
