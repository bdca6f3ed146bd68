import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { endProgram } from './end-program.js';
import { type Command, HAS_GROUPS, spawnProgram } from './start-program.js';

/**
 * The shell becomes "$@", with its standard input. A second shell beside it, the keeper, reads file 3, a
 * socket that only our process holds. A line in it means that "$@" has ended; its end means that our process
 * is gone, however it died. The keeper then ends the whole process group, because ssh may have helpers of
 * its own (a ProxyCommand). It sends SIGCONT as well, because a stopped process gets SIGTERM only once it
 * goes on. The folder $1, if any, is removed here when our process is gone, because nobody else can do it.
 */
const KEEPER = `
left_over=$1
shift
{
  read -r line <&3
  trap '' TERM
  kill -TERM 0
  kill -CONT 0
  if [ -z "$line" ] && [ -n "$left_over" ]; then
    rm -f "$left_over"/*
    rmdir "$left_over"
  fi
} </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-
`;

/** A program that ends when this process does. */
export interface TiedProgram {
  /** `stdin`, `stdout`, `stderr` and the exit code are the program's. */
  readonly child: ChildProcess;
  /**
   * Ends the program and all it has started, and resolves when it has ended: a program that still runs may
   * remove what its successor has just made. May be called twice, and after its end.
   */
  end(): Promise<void>;
  /** From now on it does not keep this process running. */
  unref(): void;
}

/**
 * Starts a program in a process group of its own, so that a Ctrl-C at the terminal is for us to deal with,
 * and makes sure that it ends when this process does, also by SIGKILL. `leftOver` is a folder to be removed
 * in that case. Its standard input is empty, or a pipe. Windows has no process groups; there the program is
 * started as it is.
 */
export function startTied(
  command: Command,
  options: {
    readonly env: NodeJS.ProcessEnv;
    readonly leftOver?: string | undefined;
    readonly stdin?: 'pipe';
  },
): TiedProgram {
  const { env, leftOver = '', stdin = 'ignore' } = options;
  // biome-ignore lint/plugin: HAS_GROUPS is false on Windows
  const words: Command = HAS_GROUPS ? ['sh', '-c', KEEPER, 'llm-bridge', leftOver, ...command] : command;
  const stdio = [stdin, 'pipe', 'pipe', HAS_GROUPS ? 'pipe' : 'ignore'] as const;
  const child = spawnProgram(words, [...stdio], { env, ownGroup: true });
  // Not standard input, which Node destroys once the program has ended: the keeper would think that we are
  // gone.
  const line = child.stdio[3] as Socket | null;
  // The keeper may have ended already.
  line?.on('error', () => {});
  // The keeper outlives a program that ended by itself.
  for (const event of ['exit', 'error']) child.once(event, () => void line?.end('end\n'));
  return {
    child,
    async end() {
      child.ref();
      await endProgram(child);
    },
    unref() {
      child.unref();
      for (const stream of [line, child.stdout, child.stderr]) (stream as Socket | null)?.unref();
    },
  };
}
