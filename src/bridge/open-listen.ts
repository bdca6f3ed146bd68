import type { Readable } from 'node:stream';
import { startTied } from '../process/start-tied.js';
import { onlyShared, type SshConnection, sshWords } from './run-ssh.js';

/** A session that lasted this long did not fail: the server ends each after ten minutes. Milliseconds. */
export const LONG_SESSION_MS = 60_000;

/** A session of `bridge-listen`. */
export interface ListenProgram {
  /** What it brings. It ends where the session ends, or the signal aborts. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Ends the session, and resolves when it has ended. */
  close(): Promise<void>;
}

/** Opens a session that brings the streams of some tasks, until it is closed or the signal aborts. */
export function openListen(
  connection: SshConnection,
  tasks: readonly string[],
  signal: AbortSignal,
): ListenProgram {
  const words = sshWords(connection, onlyShared(connection), `bridge-listen ${tasks.join(' ')}`);
  const { child, end } = startTied(words, { env: connection.env });
  // Where it cannot be started, it ends without a word.
  child.on('error', () => {});
  const stop = () => void end();
  signal.addEventListener('abort', stop, { once: true });
  const [stdout, stderr] = [child.stdout as Readable, child.stderr as Readable];
  return {
    stdout,
    stderr,
    async close() {
      signal.removeEventListener('abort', stop);
      stdout.destroy();
      stderr.destroy();
      await end();
    },
  };
}
