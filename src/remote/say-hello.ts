import { classifyGitFailure } from '../git/git-failure.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type Hello, helloSchema } from '../protocol/hello.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';
import { runSsh, type SshDoor } from './run-ssh.js';

/** What the server said of itself and of our key, and how far its clock is ahead of ours. */
export interface ServerGreeting {
  readonly hello: Hello;
  /** Add this to our clock to get the server's; milliseconds, good to about a second. */
  readonly clockOffsetMs: number;
}

/** A handshake on a slow link and a busy server takes a few seconds; ssh itself gives up connecting after 20. */
const HELLO_TIMEOUT_MS = 45_000;

/**
 * Asks `bridge-hello`. Null where there is a server but no llm-bridge behind this key (the owner's own login, another git
 * host). Throws BridgeError: as classifyGitFailure tells, or `protocol` where the versions do not fit.
 */
export async function sayHello(door: SshDoor, signal?: AbortSignal): Promise<ServerGreeting | null> {
  await door.shared?.ready(signal);
  const result = await runSsh(door, 'bridge-hello', { timeoutMs: HELLO_TIMEOUT_MS, signal });
  if (result.exitCode === 255 || /llm-bridge: /.test(result.stderr)) {
    throw classifyGitFailure(`connect to ${door.address.url}`, result.stderr);
  }
  const hello = readHello(result.stdout);
  if (hello === null) return null;
  if (hello.protocol !== PROTOCOL_VERSION) {
    const older =
      hello.protocol < PROTOCOL_VERSION ? 'on the server, then "llm-bridge init" there' : 'on this machine';
    throw new BridgeError(
      `the server speaks protocol ${hello.protocol}, this llm-bridge ${PROTOCOL_VERSION}`,
      {
        code: 'protocol',
        remedy: `npm install -g llm-bridge@latest ${older}`,
      },
    );
  }
  // The server says whole seconds, rounded down: half a second is the best guess of what it cut off.
  return { hello, clockOffsetMs: Date.parse(hello.time) + 500 - Date.now() };
}

function readHello(stdout: string): Hello | null {
  try {
    return helloSchema.parse(JSON.parse(stdout));
  } catch {
    return null;
  }
}
