import { runProgram } from '../process/run-program.js';
import type { Command } from '../process/start-program.js';
import type { BridgeAddress } from './address.js';
import type { SshCommand } from './ssh-settings.js';

/**
 * One SSH connection for fetches, pushes, the doorbell and all else: an OpenSSH ControlMaster of our own.
 */
export interface SharedConnection {
  /** Where its socket is. Whoever outlives this process by design removes it then. */
  readonly folder: string;
  /**
   * Makes sure that the connection stands, and opens it again where it broke. Call it before anything that
   * goes over it. A command without it makes a connection of its own, as ssh does where nobody listens at
   * the socket. Throws BridgeError as classifyGitFailure does, where the server cannot be reached or refuses
   * us.
   */
  ready(signal?: AbortSignal): Promise<void>;
  /** Ends it and everything that uses it, until `ready` is called again. */
  rest(): Promise<void>;
  /** Ends it and everything that uses it, and removes its folder. */
  close(): Promise<void>;
}

/** How to get to a server: the address, the ssh command, and the environment. */
export interface SshConnection {
  readonly address: Extract<BridgeAddress, { kind: 'ssh' }>;
  readonly ssh: SshCommand;
  readonly env: NodeJS.ProcessEnv;
  /** The connection that all commands share; absent where each command has its own. */
  readonly shared?: SharedConnection | undefined;
}

/** How a command on the server ended. ssh itself fails with exit code 255. */
export interface SshResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** No command of the bridge writes more than this; the rest of what a server floods us with is dropped. */
const MAX_OUTPUT_BYTES = 65_536;

/** ssh takes the first value that it sees, so these win over the options of a shared connection. */
export const OWN_CONNECTION = ['-o', 'ControlMaster=no', '-o', 'ControlPath=none'];

/**
 * The options for a command that runs over the shared connection or not at all. Where that connection takes
 * no further session, ssh would make one of its own; with these it fails instead. Empty where there is no
 * shared connection.
 */
export function onlyShared(connection: SshConnection): readonly string[] {
  return connection.shared === undefined ? [] : ['-o', 'ProxyCommand=exit 1'];
}

/** How a command is run on the server. */
export interface RunSshOptions {
  /** ssh is ended after this time. The result then has exit code 255, as where ssh itself fails. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Over a connection of its own: an open one would hide what is wrong with the way there. */
  readonly alone?: boolean;
}

/**
 * Runs one command on the server and waits for it. Throws where ssh cannot be started, and the signal's
 * reason.
 */
export async function runSsh(
  connection: SshConnection,
  command: string,
  { timeoutMs, signal, alone = false }: RunSshOptions,
): Promise<SshResult> {
  const words = sshWords(connection, alone ? OWN_CONNECTION : [], command);
  const output = { maxBytes: MAX_OUTPUT_BYTES };
  const result = await runProgram(words, { env: connection.env, output, timeoutMs, signal });
  const { exitCode, stdout, stderr } = result;
  return {
    exitCode: exitCode ?? 255,
    stdout: stdout.toString('utf8'),
    stderr: exitCode === null ? `${stderr}\nConnection timed out` : stderr,
  };
}

/**
 * The program and its arguments that run `command` on the server; with null, `options` make ssh do something
 * else.
 */
export function sshWords(
  connection: Pick<SshConnection, 'address' | 'ssh'>,
  options: readonly string[],
  command: string | null,
): Command {
  const { destination, port } = connection.address;
  const where = [...(port === null ? [] : ['-p', port]), '--', destination];
  const args = command === null ? where : [...where, command];
  const [program, ...words] = connection.ssh.words ?? [];
  if (program !== undefined) return [program, ...options, ...words, ...args];
  // A command of the user's own is shell text, as it is for git.
  const { text } = connection.ssh;
  // biome-ignore lint/plugin: Git for Windows brings the sh that runs such a text for git, too
  return ['sh', '-c', `${execPrefix(text)}${text} "$@"`, 'ssh', ...options, ...args];
}

/**
 * `exec ` makes the shell become the user's ssh instead of waiting for it; empty where the first word may be
 * no program.
 */
function execPrefix(command: string): string {
  if (/^[A-Za-z_]\w*=/.test(command)) return 'exec env ';
  return /^(?:[\w./~-]|'[^']*'|"[^"]*")+(?:\s|$)/.test(command) ? 'exec ' : '';
}
