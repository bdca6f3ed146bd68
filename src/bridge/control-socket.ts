import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/**
 * The longest path of a UNIX socket on any system we know (macOS; Linux has four more), without the NUL,
 * minus the 17 characters that ssh adds to it while it makes the socket.
 */
const MAX_SOCKET_CHARS = 103 - 17;

/** A folder that is not there yet, and the socket that is to be in it. */
export interface SocketLocation {
  readonly folder: string;
  readonly socket: string;
}

/**
 * Chooses a path for a socket of our own. It is short, has no character that means something to ssh, and
 * cannot be guessed. It is in the first of these folders that fits: `RUNTIME_DIRECTORY`, which systemd makes
 * for a service and removes with it, `XDG_RUNTIME_DIR`, which is in memory and goes at logout, the system's
 * folder for temporary files, `/tmp`. Null where none fits. Make the folder with
 * mode 0700; one that exists is somebody else's.
 */
export async function findSocketLocation(env: NodeJS.ProcessEnv): Promise<SocketLocation | null> {
  for (const parent of [env.RUNTIME_DIRECTORY, env.XDG_RUNTIME_DIR, os.tmpdir(), '/tmp']) {
    if (!parent || !/^\/[\w./+,@=-]*$/.test(parent)) continue;
    const folder = path.join(parent, `llm-bridge-${randomBytes(9).toString('base64url')}`);
    const socket = path.join(folder, 's');
    if (socket.length > MAX_SOCKET_CHARS) continue;
    const isOurs = await access(parent, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isOurs) return { folder, socket };
  }
  return null;
}

/** A live master answers within a millisecond. One that does not is stopped, or its machine swaps. */
const HELLO_TIMEOUT_MS = 3_000;

/**
 * Whether the master of a shared connection listens at this socket and is awake: it speaks first. Takes 3 s
 * at most.
 */
export function saysHello(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(file);
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(HELLO_TIMEOUT_MS, () => done(false));
    socket.on('data', () => done(true));
    socket.on('error', () => done(false));
    socket.on('close', () => done(false));
  });
}
