import type { BridgeConnection } from '../bridge/connection.js';
import { followStreams } from '../bridge/follow-streams.js';
import type { StreamPiece } from '../protocol/stream.js';

/** The streams that a gateway follows. A piece that is lost costs nothing: the answer has it all. */
export interface TaskStreams {
  /** Follows the stream of a task, from its beginning to its end. */
  follow(task: string): void;
  /** The answer is there: the rest of the stream is waited for a moment. */
  ending(task: string): void;
  leave(task: string): void;
  close(): Promise<void>;
}

/** How long the rest of a stream is waited for; a little longer than a call waits for it. Milliseconds. */
const TAIL_MS = 2_500;

/** Follows streams of a bridge; `take` hears each piece, and must not throw. */
export function openTaskStreams(
  connection: BridgeConnection,
  take: (task: string, piece: StreamPiece) => void,
): TaskStreams {
  const timers = new Map<string, NodeJS.Timeout>();
  const leave = (task: string) => {
    clearTimeout(timers.get(task));
    timers.delete(task);
    streams.leave(task);
  };
  const streams = followStreams(connection, (task, piece) => {
    take(task, piece);
    timers.get(task)?.refresh();
    if ('end' in piece) leave(task);
  });
  return {
    follow: (task) => streams.follow(task),
    ending(task) {
      if (!timers.has(task))
        timers.set(
          task,
          setTimeout(() => leave(task), TAIL_MS),
        );
    },
    leave,
    async close() {
      for (const timer of timers.values()) clearTimeout(timer);
      await streams.close();
    },
  };
}
