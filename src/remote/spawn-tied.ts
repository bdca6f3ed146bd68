import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Runs "$@" without an input. Beside it a second shell reads ours, a pipe that only this process holds: a line in it means that "$@"
 * shall end, its end that this process is gone, however it died. All of the process group is ended then, because ssh may have
 * helpers of its own (a ProxyCommand); what is stopped has to go on to hear of it. The folder $1, if any, has nobody
 * else to remove it where this process is gone.
 */
const KEEPER = `
exec 3<&0
left_over=$1
shift
"$@" </dev/null 3<&- &
pid=$!
exec >/dev/null 2>&1
{
  read -r line <&3
  trap '' TERM
  kill -TERM 0
  kill -CONT 0
  if [ -z "$line" ] && [ -n "$left_over" ]; then
    rm -f "$left_over"/*
    rmdir "$left_over"
  fi
} &
trap '' TERM
exec 3<&-
wait "$pid"
code=$?
kill "$!"
exit "$code"
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
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: !isWindows,
    windowsHide: true,
  });
  // It may have ended already.
  child.stdin.on('error', () => {});
  if (isWindows) child.stdin.end();
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return {
    child,
    async end() {
      if (isWindows) child.kill();
      else if (child.stdin.writable) child.stdin.end('end\n');
      child.ref();
      const timer = setTimeout(() => kill(isWindows ? child.pid : -(child.pid ?? Number.NaN)), GRACE_MS);
      await ended;
      clearTimeout(timer);
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
