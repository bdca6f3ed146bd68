import { type Hello, helloSchema, helloVersionSchema } from '../protocol/hello.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';

/** A hello; of a server that speaks another protocol only its version, whatever else it says. */
export type HelloOrVersion = { readonly hello: Hello } | { readonly other: number };

/** What the forced command said, and what the server printed in front of it. */
export type SaidHello = HelloOrVersion & {
  /**
   * The first line that a start-up file of the server's shell printed; null where it prints nothing. git
   * would take the text for its own protocol.
   */
  readonly printed: string | null;
};

/** How many lines are searched: a start-up file that prints more is not looked through. */
const MAX_LINES = 500;

/** How much of what was printed is told. Characters. */
const TOLD_CHARS = 60;

/**
 * Finds the line of `bridge-hello` in what a server printed; null where there is none. sshd starts the
 * forced command by the login shell of its user, and bash then reads `~/.bashrc`, which may print.
 */
export function readHello(stdout: string): SaidHello | null {
  for (const line of stdout.split('\n', MAX_LINES)) {
    // A text without a line break at its end stands in front of the hello.
    const start = line.indexOf('{"');
    const said = start < 0 ? null : parseHello(line.slice(start));
    if (said !== null)
      return { ...said, printed: firstWordsOf(stdout.slice(0, stdout.indexOf(line) + start)) };
  }
  return null;
}

function parseHello(text: string): HelloOrVersion | null {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return null;
  }
  const version = helloVersionSchema.safeParse(said).data?.protocol;
  if (version !== undefined && version !== PROTOCOL_VERSION) return { other: version };
  const hello = helloSchema.safeParse(said);
  return hello.success ? { hello: hello.data } : null;
}

function firstWordsOf(text: string): string | null {
  const line = text.split('\n').find((one) => one.trim() !== '');
  return line === undefined ? null : oneLine(line).slice(0, TOLD_CHARS);
}
