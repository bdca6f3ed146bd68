import type { BridgeConnection } from '../../src/bridge/connection.js';
import { followStream } from '../../src/bridge/follow-stream.js';
import { openStreamWriter, type StreamWriter } from '../../src/bridge/stream-writer.js';
import type { StreamPiece } from '../../src/protocol/stream.js';
import { onCleanup } from './on-cleanup.js';

/** Reads one piece of a stream after the other. */
export interface StreamListener {
  next(): Promise<StreamPiece | 'over'>;
  stop(): void;
}

/** Listens to the stream of a task; it stops with the test. */
export function listenTo(connection: BridgeConnection, task: string): StreamListener {
  const stopping = new AbortController();
  onCleanup(() => stopping.abort());
  const pieces = followStream(connection, task, stopping.signal);
  return {
    next: async () => {
      const { value, done } = await pieces.next();
      return done ? 'over' : value;
    },
    stop: () => stopping.abort(),
  };
}

/** Writes the stream of a task; it is closed with the test. */
export function sayTo(connection: BridgeConnection, task: string): StreamWriter {
  const writer = openStreamWriter(connection, task);
  onCleanup(() => writer.close());
  return writer;
}
