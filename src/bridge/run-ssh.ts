import { type ChildProcess, spawn } from 'node:child_process';
import type { BridgeAddress } from './address.js';
import type { SshCommand } from './ssh-settings.js';

/** One SSH connection that fetches, pushes, the doorbell and all else ride on: an OpenSSH ControlMaster of our own. */
export interface SharedConnection {
  /**
   * Sees to it that the connection stands, and makes it again where it broke. To be called before anything that goes over it; what
   * goes on without it makes a connection of its own, as ssh does by itself where nobody listens at the socket. Throws
   * BridgeError as classifyGitFailure tells, where the server cannot be reached or does not let us in.
   */
  ready(signal?: AbortSignal): Promise<void>;
  /** Ends it, and what rides on it, and removes its folder. */
  close(): Promise<void>;
}

/** How to get to a server: the address, the ssh command, and the environment. */
export interface SshConnection {
  readonly address: Extract<BridgeAddress, { kind: 'ssh' }>;
  readonly ssh: SshCommand;
  readonly env: NodeJS.ProcessEnv;
  /** The one connection that everything rides on; absent where each command has its own. */
  readonly shared?: SharedConnection | undefined;
}

/** What a command on the server ended as. ssh itself fails with exit code 255. */
export interface SshResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** No command of the bridge says more than this before it is done; a server that floods is cut off. */
const MAX_OUTPUT_CHARS = 65_536;

/** Runs one command on the server and waits for it; at most `timeoutMs`, then ssh is killed (exit code 255). */
export function runSsh(
  connection: SshConnection,
  command: string,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<SshResult> {
  return new Promise((resolve, reject) => {
    const child = spawnSsh(connection, command);
    const abort = () => endSsh(child);
    const timer = setTimeout(abort, options.timeoutMs);
    if (options.signal?.aborted) abort();
    options.signal?.addEventListener('abort', abort, { once: true });
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      if (stdout.length < MAX_OUTPUT_CHARS) stdout += chunk.toString('utf8');
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      if (stderr.length < MAX_OUTPUT_CHARS) stderr += chunk.toString('utf8');
    });
    const done = () => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
    };
    child.on('error', (error) => {
      done();
      reject(error);
    });
    child.on('close', (code) => {
      done();
      if (options.signal?.aborted) reject(options.signal.reason);
      else
        resolve({
          exitCode: code ?? 255,
          stdout,
          stderr: code === null ? `${stderr}\nConnection timed out` : stderr,
        });
    });
  });
}

/** Starts ssh with its input closed. Killing the child ends ssh itself, not a shell around it. */
export function spawnSsh(connection: SshConnection, command: string): ChildProcess {
  const [program, ...args] = sshWords(connection, [], command);
  return spawn(program, args, { env: connection.env, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
}

/** The program and its arguments that run `command` on the server; with null, whatever `options` make ssh do instead. */
export function sshWords(
  connection: Pick<SshConnection, 'address' | 'ssh'>,
  options: readonly string[],
  command: string | null,
): [string, ...string[]] {
  const { destination, port } = connection.address;
  const args = [
    ...options,
    ...(port === null ? [] : ['-p', port]),
    ...['--', destination],
    ...(command === null ? [] : [command]),
  ];
  const [program, ...words] = connection.ssh.words ?? [];
  if (program !== undefined) return [program, ...words, ...args];
  // A command of the user's own is shell text, as it is for git.
  return ['sh', '-c', `${execPrefix(connection.ssh.text)}${connection.ssh.text} "$@"`, 'ssh', ...args];
}

/** Ends ssh, and lets go of its output: what ssh itself has started (a ProxyCommand) may hold that open for longer. */
export function endSsh(child: ChildProcess): void {
  child.kill();
  child.stdout?.destroy();
  child.stderr?.destroy();
}

/** What makes the shell become the user's ssh instead of waiting for it; nothing where the first word may be no program. */
function execPrefix(command: string): string {
  if (/^[A-Za-z_]\w*=/.test(command)) return 'exec env ';
  return /^(?:[\w./~-]|'[^']*'|"[^"]*")+(?:\s|$)/.test(command) ? 'exec ' : '';
}
