import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';

/**
 * Asks a question that is answered by yes or no, on standard error and from the terminal. Nothing but `yes`
 * or `y` is a yes; Ctrl-D is a no. Null where there is no terminal to ask at. Rejects with the reason of the
 * signal.
 */
export async function askPerson(question: string, signal: AbortSignal): Promise<boolean | null> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return null;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // readline takes Ctrl-C away from the process; Ctrl-D closes it, and its question is never answered.
  terminal.once('SIGINT', () => process.emit('SIGINT', 'SIGINT'));
  const closed = once(terminal, 'close').then(() => '');
  try {
    const said = await Promise.race([terminal.question(`${question} [yes/no] `, { signal }), closed]);
    return /^y(?:es)?$/i.test(said.trim());
  } catch (error) {
    process.stderr.write('\n');
    signal.throwIfAborted();
    // Since Node 20.20 a question ends with this where Ctrl-D closes readline.
    if (error instanceof Error && error.name === 'AbortError') return false;
    throw error;
  } finally {
    terminal.close();
  }
}
