import { setTimeout as sleep } from 'node:timers/promises';
import { type StreamPiece, StreamReader } from '../protocol/stream.js';
import type { BridgeConnection } from './connection.js';
import { createNotifier } from './notifier.js';
import { LONG_SESSION_MS, openListen } from './open-listen.js';
import type { SshConnection } from './run-ssh.js';
import { StreamFile } from './stream-file.js';
import { streamFile } from './stream-folder.js';
import { PlaceInStream } from './stream-place.js';
import { watchPath } from './watch-path.js';

/**
 * Waits between tries to listen again: at first half a second, then twice as long, at most half a minute.
 */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/**
 * Follows the stream of a task from its beginning, waits for one that is not there yet, and ends after its
 * `end`. `begin` may come again: what came before it is void then. Ends without `end` when the signal
 * aborts. Never throws: where the connection breaks it tries again and goes on where it was, and where there
 * can be no stream it ends at once. So the caller waits for the answer beside it, and aborts it then.
 */
export async function* followStream(
  connection: BridgeConnection,
  task: string,
  signal: AbortSignal,
): AsyncGenerator<StreamPiece, void, undefined> {
  const { address, ssh } = connection;
  if (address.kind === 'local') yield* untilEnd(followFile(streamFile(address.url, task), signal));
  else if (ssh !== null) yield* untilEnd(followOverSsh(ssh, task, signal));
}

async function* untilEnd(pieces: AsyncGenerator<StreamPiece>): AsyncGenerator<StreamPiece, void, undefined> {
  for await (const piece of pieces) {
    yield piece;
    if ('end' in piece) return;
  }
}

/** On this machine: reads on at every event of the file. */
async function* followFile(path: string, signal: AbortSignal): AsyncGenerator<StreamPiece> {
  const notifier = createNotifier();
  const ring = () => notifier.ring();
  const watch = watchPath(path, { change: ring, ready: ring });
  const file = new StreamFile(path);
  try {
    while (!signal.aborted) {
      for (let pieces = await file.read(); pieces !== null; pieces = await file.read()) {
        yield* pieces;
        if (signal.aborted) return;
      }
      await notifier.wait(MAX_DELAY_MS, signal);
    }
  } finally {
    await file.close();
    await watch.close();
  }
}

/** Elsewhere: by `bridge-listen`, again and again until the signal aborts. */
async function* followOverSsh(
  connection: SshConnection,
  task: string,
  signal: AbortSignal,
): AsyncGenerator<StreamPiece> {
  const place = new PlaceInStream();
  for (let failures = 0; !signal.aborted; failures += 1) {
    if (failures > 0) await pause(failures, signal);
    try {
      await connection.shared?.ready(signal);
    } catch {
      continue;
    }
    if (signal.aborted) return;
    const startedAt = performance.now();
    const session = openListen(connection, [task], signal);
    session.stderr.resume();
    const reader = new StreamReader();
    place.readAgain();
    try {
      for await (const bytes of session.stdout) {
        failures = 0;
        for (const piece of reader.read(bytes as Buffer)) if (place.isNew(piece)) yield piece;
      }
    } catch {
      // It broke; the next try says whether it stays so.
    } finally {
      await session.close();
    }
    if (performance.now() - startedAt > LONG_SESSION_MS) failures = 0;
  }
}

async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), MAX_DELAY_MS) * (0.5 + Math.random() / 2);
  await sleep(delayMs, undefined, { signal }).catch(() => {});
}
