import { access, mkdir, rm } from 'node:fs/promises';
import { classifyGitFailure } from '../git/git-failure.js';
import { startTied, type TiedProgram } from '../process/start-tied.js';
import type { BridgeAddress } from './address.js';
import { type SocketLocation, saysHello } from './control-socket.js';
import { untilAborted } from './notifier.js';
import { type SharedConnection, sshWords } from './run-ssh.js';
import type { SshCommand } from './ssh-settings.js';

/** ssh gives up connecting after 20 s; logging in to a busy server takes a few more. */
const LOGIN_TIMEOUT_MS = 45_000;

/** How often to look for the socket: a watch of the folder costs one of the few that a user may have. */
const LOOK_EVERY_MS = 5;

/** It must not go on in the background, where nothing of ours would end it, and has nothing to do with the user's ports. */
const MASTER_OPTIONS = ['ControlPersist=no', 'ClearAllForwardings=yes'];

/** The most of what ssh says that is kept for an error. */
const MAX_STDERR_CHARS = 16_384;

/** Ways of ssh to say why there is no connection, of which an attempt without a master would hear as well. */
const UNKNOWN_FAILURE = 'git-failed';

/** Opens the way to a shared connection at `place`. Connects to nobody yet. `ssh` is the command without the options of the plan. */
export function openSharedConnection(
  connection: {
    readonly address: Extract<BridgeAddress, { kind: 'ssh' }>;
    readonly ssh: SshCommand;
    readonly env: NodeJS.ProcessEnv;
  },
  context: SocketLocation,
): SharedConnection {
  let master: TiedProgram | null = null;
  let starting: Promise<void> | null = null;
  let hasFolder = false;
  // Where a master cannot be had for a reason that a plain connection does not share, it is not tried again and again.
  let worked = false;
  let off = false;

  async function start(): Promise<void> {
    if (!hasFolder) {
      await mkdir(context.folder, { mode: 0o700 });
      hasFolder = true;
    }
    // A master that was killed leaves it behind, and the next one would not listen.
    await rm(context.socket, { force: true });
    const outcome = await startMaster();
    if (outcome.status === 'listening') {
      worked = true;
      return;
    }
    const failure = classifyGitFailure(`connect to ${connection.address.url}`, outcome.stderr);
    if (failure.code !== UNKNOWN_FAILURE) throw failure;
    off = !worked;
  }

  /** Resolves once the socket is there, which ssh makes when it has logged in, or ssh has ended. */
  async function startMaster(): Promise<{ status: 'listening' } | { status: 'ended'; stderr: string }> {
    let ticker: NodeJS.Timeout | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const look = () => access(context.socket).then(() => resolve({ status: 'listening' }), absent);
        ticker = setInterval(look, LOOK_EVERY_MS);
        const options = ['ControlMaster=yes', `ControlPath=${context.socket}`, ...MASTER_OPTIONS];
        const words = sshWords(connection, [...options.flatMap((one) => ['-o', one]), '-N', '-T'], null);
        const mine = startTied(words, { env: connection.env, leftOver: context.folder });
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
          // What ssh said last may still be on its way, but not for long: a helper of ssh may hold the pipe open.
          setTimeout(() => resolve({ status: 'ended', stderr }), 50);
        });
      });
    } finally {
      clearTimeout(timer);
      clearInterval(ticker);
      // A connection that stands keeps no program from ending.
      master?.unref();
    }
  }

  return {
    async ready(signal) {
      signal?.throwIfAborted();
      if (off) return;
      const current = starting === null ? master : null;
      if (current !== null) {
        if (await saysHello(context.socket)) return;
        await current.end();
        if (master === current) master = null;
      }
      if (off || (starting === null && master !== null)) return;
      starting ??= start().finally(() => {
        starting = null;
      });
      await untilAborted(starting, signal);
    },
    async close() {
      off = true;
      await master?.end();
      if (hasFolder) await rm(context.folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function absent(): void {
  // Not logged in yet.
}
