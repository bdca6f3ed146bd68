import { createInterface } from 'node:readline/promises';

/**
 * Asks a question that is answered by yes or no, on standard error and from the terminal. Nothing but `yes`
 * or `y` is a yes. Null where there is no terminal to ask at. Rejects with the reason of the signal.
 */
export async function askPerson(question: string, signal: AbortSignal): Promise<boolean | null> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return null;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const said = await terminal.question(`${question} [yes/no] `, { signal });
    return /^y(?:es)?$/i.test(said.trim());
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}
