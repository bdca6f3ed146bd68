import { startTied, type TiedProgram } from '../process/start-tied.js';
import { onlyShared, type SshConnection, sshWords } from './run-ssh.js';

/**
 * Opens a session of a command that waits for what it is told on standard input, before there is anything to
 * tell. It goes over the shared connection. Null where it cannot be opened, or the signal aborts before
 * that; never throws. That it breaks later is seen by its end.
 */
export async function openAhead(
  connection: SshConnection,
  command: string,
  signal: AbortSignal,
): Promise<TiedProgram | null> {
  try {
    await connection.shared?.ready(signal);
    if (signal.aborted) return null;
    const words = sshWords(connection, onlyShared(connection), command);
    const program = startTied(words, { env: connection.env, stdin: 'pipe' });
    program.child.on('error', () => {});
    program.child.stdin?.on('error', () => {});
    return program;
  } catch {
    return null;
  }
}
