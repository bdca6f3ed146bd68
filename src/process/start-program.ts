import {
  type ChildProcess,
  type ChildProcessByStdio,
  type ChildProcessWithoutNullStreams,
  type StdioOptions,
  spawn,
} from 'node:child_process';
import type { Readable } from 'node:stream';

/** A program and its arguments. No shell reads them. */
export type Command = readonly [program: string, ...args: string[]];

/** How a program is started. */
export interface StartOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string | undefined;
  /**
   * It gets a process group of its own: `endProgram` then ends whatever it has started as well, and a Ctrl-C
   * at the terminal reaches none of them.
   */
  readonly ownGroup?: boolean;
  /** For root: the user it runs as, who then has no groups but this one. Default: who we are. */
  readonly as?: UserIds | undefined;
}

/** A user of a Unix, and a group. */
export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/** Windows has no process groups. */
export const HAS_GROUPS = process.platform !== 'win32';

/** The one call by which llm-bridge starts a program. `stdio` is Node's own list. */
export function spawnProgram(
  [program, ...args]: Command,
  stdio: StdioOptions,
  { env, cwd, ownGroup = false, as }: StartOptions,
): ChildProcess {
  return spawn(program, args, {
    ...{ env, cwd, stdio, windowsHide: true, detached: ownGroup && HAS_GROUPS },
    ...(as === undefined ? {} : { uid: as.uid, gid: as.gid }),
  });
}

/**
 * Starts a program whose output is read while it runs. Its standard input is empty, or a pipe. A start that
 * fails is the event `error`, as Node tells it.
 */
export function startProgram(
  command: Command,
  options: StartOptions & { readonly stdin: 'pipe' },
): ChildProcessWithoutNullStreams;
export function startProgram(
  command: Command,
  options: StartOptions,
): ChildProcessByStdio<null, Readable, Readable>;
export function startProgram(
  command: Command,
  options: StartOptions & { readonly stdin?: 'pipe' },
): ChildProcess {
  return spawnProgram(command, [options.stdin ?? 'ignore', 'pipe', 'pipe'], options);
}

/**
 * Starts a program that goes on when this one ends. It has nothing of our terminal, input and output. Nobody
 * learns whether it could be started.
 */
export function startDetached(command: Command, options: StartOptions): void {
  const child = spawnProgram(command, 'ignore', { ...options, ownGroup: true });
  child.on('error', () => {});
  child.unref();
}
