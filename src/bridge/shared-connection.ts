import { access, lstat, mkdir, rm } from 'node:fs/promises';
import { classifyGitFailure } from '../git/git-failure.js';
import { startTied, type TiedProgram } from '../process/start-tied.js';
import type { BridgeAddress } from './address.js';
import { type SocketLocation, saysHello } from './control-socket.js';
import { untilAborted } from './notifier.js';
import { type SharedConnection, sshWords } from './run-ssh.js';
import type { SshCommand } from './ssh-settings.js';

/** ssh gives up connecting after 20 s; logging in to a busy server takes a few more. */
const LOGIN_TIMEOUT_MS = 45_000;

/**
 * How often to look for the socket. A watch of the folder would cost one of the few watches that a user may
 * have. Milliseconds.
 */
const LOOK_EVERY_MS = 5;

/** It must not go to the background, where none of our programs would end it. */
const MASTER_OPTIONS = ['ControlPersist=no'];

/** The most of ssh's output that is kept for an error. */
const MAX_STDERR_CHARS = 16_384;

/**
 * The code of a failure that no table knows: the master may have failed for a reason of its own. Any other
 * failure would stop a connection without a master as well.
 */
const UNKNOWN_FAILURE = 'git-failed';

/**
 * Prepares a shared connection at `location`. Connects to nobody yet. `ssh` is the command without the
 * options of the plan.
 */
export function openSharedConnection(
  connection: {
    readonly address: Extract<BridgeAddress, { kind: 'ssh' }>;
    readonly ssh: SshCommand;
    readonly env: NodeJS.ProcessEnv;
  },
  location: SocketLocation,
): SharedConnection {
  let master: TiedProgram | null = null;
  let starting: Promise<void> | null = null;
  let hasFolder = false;
  // A master that fails for a reason of its own is not tried again: plain connections work without it.
  let worked = false;
  let off = false;

  async function start(): Promise<void> {
    await makeOwnFolder(location.folder, hasFolder);
    hasFolder = true;
    // A killed master leaves its socket behind, and the next master would not listen there.
    await rm(location.socket, { force: true });
    const outcome = await startMaster();
    if (outcome.status === 'listening') {
      worked = true;
      return;
    }
    const failure = classifyGitFailure(`connect to ${connection.address.url}`, outcome.stderr);
    if (failure.code !== UNKNOWN_FAILURE) throw failure;
    off = !worked;
  }

  /** Resolves once the socket exists, which ssh makes after the login, or once ssh has ended. */
  async function startMaster(): Promise<{ status: 'listening' } | { status: 'ended'; stderr: string }> {
    let ticker: NodeJS.Timeout | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const look = () => access(location.socket).then(() => resolve({ status: 'listening' }), absent);
        ticker = setInterval(look, LOOK_EVERY_MS);
        const options = ['ControlMaster=yes', `ControlPath=${location.socket}`, ...MASTER_OPTIONS];
        const words = sshWords(connection, [...options.flatMap((one) => ['-o', one]), '-N', '-T'], null);
        const mine = startTied(words, { env: connection.env, leftOver: location.folder });
        master = mine;
        let stderr = '';
        mine.child.stdout?.resume();
        mine.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
          if (stderr.length < MAX_STDERR_CHARS) stderr += text;
        });
        timer = setTimeout(() => {
          stderr += '\nConnection timed out';
          void mine.end();
        }, LOGIN_TIMEOUT_MS);
        mine.child.on('error', reject);
        mine.child.on('exit', () => {
          if (master === mine) master = null;
          // ssh's last words may still be on their way, but not for long: a helper of ssh may hold the pipe
          // open.
          setTimeout(() => resolve({ status: 'ended', stderr }), 50);
        });
      });
    } finally {
      clearTimeout(timer);
      clearInterval(ticker);
      // A connection that stands must not keep the program from ending.
      master?.unref();
    }
  }

  return {
    folder: location.folder,
    async ready(signal) {
      signal?.throwIfAborted();
      if (off) return;
      const current = starting === null ? master : null;
      if (current !== null) {
        if (await saysHello(location.socket)) return;
        await current.end();
        if (master === current) master = null;
      }
      if (off || (starting === null && master !== null)) return;
      starting ??= start().finally(() => {
        starting = null;
      });
      await untilAborted(starting, signal);
    },
    async rest() {
      await starting?.catch(() => {});
      await master?.end();
    },
    async close() {
      off = true;
      await master?.end();
      if (hasFolder) await rm(location.folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/**
 * Makes the folder of the socket. One that was made before may have been cleaned away with other temporary
 * files; and since its name stands in the command line of ssh, somebody else may have made it again. Throws
 * where it is not ours.
 */
async function makeOwnFolder(folder: string, wasMade: boolean): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (!wasMade || (error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const stats = await lstat(folder);
    if (!stats.isDirectory() || stats.uid !== process.getuid?.() || (stats.mode & 0o077) !== 0) throw error;
  }
}

function absent(): void {
  // Not logged in yet.
}
