import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * Becomes "$@", without an input. Beside it a shell reads file 3, a socket that only this process holds: a line in it means that "$@" shall
 * end, its end that this process is gone, however it died. All of the process group is ended then, because ssh may have
 * helpers of its own (a ProxyCommand); what is stopped has to go on to hear of it. The folder $1, if any, has nobody
 * else to remove it where this process is gone. It is one small process: the shell that started it is the program by then.
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
} >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
`;

/** A program that ends when this process does. */
export interface TiedProcess {
  /** `stdout`, `stderr` and the exit code are the program's. */
  readonly child: ChildProcess;
  /**
   * Ends the program and all it has started, and resolves when it has ended: a program that still runs may take away what its successor
   * has just made. May be called twice, and after its end.
   */
  end(): Promise<void>;
  /** It keeps this program from ending no longer. */
  unref(): void;
}

/** What has not ended by then is killed. */
const GRACE_MS = 2_000;

/**
 * Starts a program in a process group of its own, so that a Ctrl-C at the terminal is for us to deal with, and sees to it that it
 * ends when this process does, also by SIGKILL. `leftOver` is a folder to be removed in that case. On Windows, which knows
 * neither, the program is started as it is.
 */
export function spawnTied(
  command: readonly [string, ...string[]],
  options: { readonly env: NodeJS.ProcessEnv; readonly leftOver?: string | undefined },
): TiedProcess {
  const isWindows = process.platform === 'win32';
  const keeper = ['sh', '-c', KEEPER, 'llm-bridge', options.leftOver ?? ''] as const;
  const [program, ...args] = isWindows ? command : [...keeper, ...command];
  const child = spawn(program, args, {
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe', isWindows ? 'ignore' : 'pipe'],
    detached: !isWindows,
    windowsHide: true,
  });
  // Not standard input, which Node takes away once the program has ended: the keeper would think that we are gone.
  const line = child.stdio[3] as Socket | null;
  // It may have ended already.
  line?.on('error', () => {});
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const dismiss = () => void line?.end('end\n');
  // The keeper outlives a program that ended by itself.
  void ended.then(dismiss);
  return {
    child,
    async end() {
      if (isWindows) child.kill();
      else dismiss();
      child.ref();
      const timer = setTimeout(() => kill(isWindows ? child.pid : -(child.pid ?? Number.NaN)), GRACE_MS);
      await ended;
      clearTimeout(timer);
    },
    unref() {
      child.unref();
      for (const stream of [line, child.stdout, child.stderr]) (stream as Socket | null)?.unref();
    },
  };
}

function kill(pid: number | undefined): void {
  if (pid === undefined || Number.isNaN(pid)) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
