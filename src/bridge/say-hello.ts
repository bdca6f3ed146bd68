import { classifyGitFailure, gitMeant } from '../git/git-failure.js';
import { updateElsewhere, updateHere } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type Hello, helloSchema, helloVersionSchema } from '../protocol/hello.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';
import { runSsh, type SshConnection } from './run-ssh.js';
import { startStopwatch } from './stopwatch.js';

/** What the server said about itself and about our key, and its clock. */
export interface ServerGreeting {
  readonly hello: Hello;
  /**
   * The server's clock: what it said, plus the time since, whatever is done to our own clock. Late by the
   * way of the answer to us, and never ahead: an answer dated by it is not younger than its record.
   */
  readonly serverNow: () => number;
}

/**
 * A handshake on a slow link and a busy server takes a few seconds; ssh itself gives up connecting after 20.
 */
const HELLO_TIMEOUT_MS = 45_000;

/**
 * Asks `bridge-hello`. Null where there is a server but no llm-bridge behind this key (the owner's own login,
 * another git host). Throws BridgeError as classifyGitFailure does, or `protocol` where the versions do not
 * match.
 */
export async function sayHello(
  connection: SshConnection,
  signal?: AbortSignal,
): Promise<ServerGreeting | null> {
  await connection.shared?.ready(signal);
  const result = await runSsh(connection, 'bridge-hello', { timeoutMs: HELLO_TIMEOUT_MS, signal });
  if (result.exitCode === 255 || gitMeant('server-refused', result.stderr)) {
    throw classifyGitFailure(`connect to ${connection.address.url}`, result.stderr);
  }
  const said = readHello(result.stdout);
  if (said === null) return null;
  if ('other' in said) throw otherProtocol(said.other);
  const sinceHelloMs = startStopwatch();
  const saidMs = Date.parse(said.hello.time);
  return { hello: said.hello, serverNow: () => Math.floor(saidMs + sinceHelloMs()) };
}

/** A hello; or of a server that speaks another protocol the version alone, whatever else it says. */
export type SaidHello = { readonly hello: Hello } | { readonly other: number };

/** Reads what `bridge-hello` printed; null where it is no hello. */
export function readHello(stdout: string): SaidHello | null {
  let said: unknown;
  try {
    said = JSON.parse(stdout);
  } catch {
    return null;
  }
  const version = helloVersionSchema.safeParse(said).data?.protocol;
  if (version !== undefined && version !== PROTOCOL_VERSION) return { other: version };
  const hello = helloSchema.safeParse(said);
  return hello.success ? { hello: hello.data } : null;
}

/** The error where the server speaks another protocol: which side is behind, and how to update that one. */
export function otherProtocol(server: number): BridgeError {
  const isOlder = server < PROTOCOL_VERSION;
  return new BridgeError(
    `the server speaks protocol ${server}, this llm-bridge ${PROTOCOL_VERSION}: ${isOlder ? 'the server' : 'this machine'} has to be updated; tasks and finished answers are kept until then`,
    { code: 'protocol', remedy: isOlder ? updateElsewhere('the server') : updateHere() },
  );
}
