import { classifyGitFailure } from '../git/git-failure.js';
import { gitMeant } from '../git/git-meaning.js';
import { updateElsewhere, updateHere } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { Hello } from '../protocol/hello.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';
import { readHello } from './read-hello.js';
import { runSsh, type SshConnection } from './run-ssh.js';
import { startStopwatch } from './stopwatch.js';

/** What the server said about itself and about our key, and its clock. */
export interface ServerGreeting {
  readonly hello: Hello;
  /**
   * The server's clock: the time that it told plus the time since, so that setting our own clock changes
   * nothing. It is behind by the time that the hello took to reach us, and never ahead. So an answer dated
   * by it is never younger than its record.
   */
  readonly serverNow: () => number;
}

/**
 * A handshake on a slow link and a busy server takes a few seconds; ssh itself gives up connecting after 20.
 */
const HELLO_TIMEOUT_MS = 45_000;

/**
 * No bridge is older than llm-bridge, and git reads no date after 2099 (tm_to_time_t in its date.c).
 * Milliseconds since the epoch.
 */
const EARLIEST_MS = Date.UTC(2025, 0);
const LATEST_MS = Date.UTC(2100, 0);

/**
 * Asks `bridge-hello`. Null where there is a server but no llm-bridge behind this key (the owner's own
 * login, another git host). Throws BridgeError as classifyGitFailure does, `protocol` where the versions do
 * not match, or `server-clock` where the server's clock is far from any time that can be.
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
  // Text in front of it is no failure here: git fails at it, and the doctor names it.
  const said = readHello(result.stdout);
  if (said === null) return null;
  if ('other' in said) throw otherProtocol(said.other);
  const { hello } = said;
  const sinceHelloMs = startStopwatch();
  const saidMs = Date.parse(hello.time);
  if (!(saidMs >= EARLIEST_MS && saidMs < LATEST_MS)) {
    throw new BridgeError(`the server says that it is ${hello.time}, which cannot be`, {
      code: 'server-clock',
      remedy: 'set the clock of the server: sudo timedatectl set-ntp true',
      // Nothing that we date by it would be taken, or read. Retryable, because NTP sets the clock of a
      // machine without a battery soon.
      retryable: true,
    });
  }
  return { hello, serverNow: () => Math.floor(saidMs + sinceHelloMs()) };
}

/** The error where the server speaks another protocol: which side is behind, and how to update that one. */
export function otherProtocol(server: number): BridgeError {
  const isOlder = server < PROTOCOL_VERSION;
  return new BridgeError(
    `the server speaks protocol ${server}, this llm-bridge ${PROTOCOL_VERSION}: ${isOlder ? 'the server' : 'this machine'} has to be updated; tasks and finished answers are kept until then`,
    { code: 'protocol', remedy: isOlder ? updateElsewhere('the server') : updateHere() },
  );
}
