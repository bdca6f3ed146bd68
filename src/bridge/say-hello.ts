import { classifyGitFailure, gitMeant } from '../git/git-failure.js';
import { updateElsewhere, updateHere } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type Hello, helloSchema } from '../protocol/hello.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';
import { runSsh, type SshConnection } from './run-ssh.js';
import { startStopwatch } from './stopwatch.js';

/** What the server said about itself and about our key, and its clock. */
export interface ServerGreeting {
  readonly hello: Hello;
  /**
   * The server's clock: what it said, plus the time since. Good to about a second, whatever is done to our
   * own clock.
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
  const hello = readHello(result.stdout);
  if (hello === null) return null;
  if (hello.protocol !== PROTOCOL_VERSION) {
    throw new BridgeError(
      `the server speaks protocol ${hello.protocol}, this llm-bridge ${PROTOCOL_VERSION}`,
      {
        code: 'protocol',
        remedy: hello.protocol < PROTOCOL_VERSION ? updateElsewhere('the server') : updateHere(),
      },
    );
  }
  const sinceHelloMs = startStopwatch();
  // The server sends whole seconds, rounded down. Half a second is the best guess of what was cut off.
  const saidMs = Date.parse(hello.time) + 500;
  return { hello, serverNow: () => Math.round(saidMs + sinceHelloMs()) };
}

function readHello(stdout: string): Hello | null {
  try {
    return helloSchema.parse(JSON.parse(stdout));
  } catch {
    return null;
  }
}
