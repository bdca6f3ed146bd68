import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gitMeant } from '../git/git-meaning.js';
import type { StreamPiece } from '../protocol/stream.js';
import { LONG_SESSION_MS, openListen } from './open-listen.js';
import type { SshConnection } from './run-ssh.js';
import { StreamDemux } from './stream-demux.js';

/** How much of the standard error of a session is kept. Characters. */
const MAX_STDERR_CHARS = 4_096;

/**
 * How long to wait for the reason of a session that brought nothing, after its output has ended.
 * Milliseconds.
 */
const LAST_WORDS_MS = 1_000;

/**
 * How a session ended. `heard`: something came in it, or it lasted. `refused`: the server does not know such
 * a command. `nothing`: it failed in another way, which may be different the next time.
 */
export type SessionEnd = 'heard' | 'refused' | 'nothing';

/** What a session calls. */
export interface SessionListener {
  /** The session starts: each stream comes from its beginning. */
  readonly begins: () => void;
  /** Bytes came. */
  readonly lives: () => void;
  readonly take: (task: string, piece: StreamPiece) => void;
}

/** Listens to the streams of some tasks in one session, until it ends or the signal aborts. Never throws. */
export async function listenSession(
  connection: SshConnection,
  tasks: readonly string[],
  listener: SessionListener,
  signal: AbortSignal,
): Promise<SessionEnd> {
  const startedAt = performance.now();
  let hasHeard = false;
  let stderr = '';
  try {
    await connection.shared?.ready(signal);
    signal.throwIfAborted();
    const session = openListen(connection, tasks, signal);
    session.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-MAX_STDERR_CHARS);
    });
    const demux = new StreamDemux(tasks);
    listener.begins();
    try {
      for await (const bytes of session.stdout) {
        hasHeard = true;
        listener.lives();
        if (signal.aborted) break;
        for (const { task, piece } of demux.read(bytes as Buffer)) listener.take(task, piece);
      }
      if (!hasHeard) await lastWords(session.stderr, signal);
    } finally {
      await session.close();
    }
  } catch {
    // It broke; the next try says whether it stays so.
  }
  if (hasHeard || performance.now() - startedAt >= LONG_SESSION_MS) return 'heard';
  // So it says of a session with more tasks than it takes, too.
  return gitMeant('server-knows-no-such', stderr) ? 'refused' : 'nothing';
}

/**
 * Waits for the rest of what ssh says. A program that it has started may hold its output open for longer.
 */
async function lastWords(stderr: Readable, signal: AbortSignal): Promise<void> {
  if (stderr.readableEnded || signal.aborted) return;
  const waiting = new AbortController();
  const over = AbortSignal.any([signal, waiting.signal]);
  const late = sleep(LAST_WORDS_MS, undefined, { signal: over }).catch(() => {});
  await Promise.race([once(stderr, 'end', { signal: over }), late]).finally(() => waiting.abort());
}
