import { spawnProgram } from '../process/start-program.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { Output, type OutputStream } from './output.js';

/** As git sets them where the user has not: quit at once where all fits on the screen, show colours. */
const USUAL = { LESS: 'FRX', LV: '-c' };

/** These are no pagers: they print all at once. */
const NONE = ['', 'cat'];

/** What a shell ends with where it cannot start its program, or does not find it. */
const NOT_STARTED = [126, 127];

/** The variables that name the pager; the first that is set counts. */
const VARIABLES = ['LLM_BRIDGE_PAGER', 'GIT_PAGER', 'PAGER'] as const;

/**
 * Has the user's pager show what `print` prints, and waits until the user has left it. Leaving early is no
 * error. Prints straight to `out` where there is no pager. Throws BridgeError `output-failed` where the
 * shell cannot start the pager that the user named, and what `print` throws besides.
 */
export async function paged(
  out: Output,
  env: NodeJS.ProcessEnv,
  print: (out: Output) => Promise<void>,
): Promise<void> {
  const named = VARIABLES.map((name) => env[name]).find((value) => value !== undefined);
  const line = named?.trim() ?? 'less';
  if (NONE.includes(line)) return print(out);
  const isShell = named !== undefined && process.platform !== 'win32';
  const child = spawnProgram(isShell ? ['/bin/sh', '-c', line] : [line], ['pipe', 'inherit', 'inherit'], {
    env: { ...USUAL, ...env },
  });
  const started = new Promise<boolean>((resolve) => {
    child.once('spawn', () => resolve(true)).once('error', () => resolve(false));
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', resolve);
  });
  if (!(await started) || child.stdin === null) return print(out);
  // The terminal sends Ctrl-C to both processes. It is a key of the pager, which has to restore the screen.
  const ignore = () => {};
  process.on('SIGINT', ignore);
  try {
    await print(new Output(child.stdin as unknown as OutputStream));
  } catch (error) {
    if (!(error instanceof BridgeError && error.code === 'output-closed')) throw error;
  } finally {
    child.stdin.end();
    await ended;
    process.off('SIGINT', ignore);
  }
  if (NOT_STARTED.includes((await ended) ?? 0))
    throw new BridgeError(`the pager "${line}" cannot be started`, {
      code: 'output-failed',
      remedy: `name another in ${VARIABLES.find((name) => env[name] !== undefined)}, or give --no-pager`,
    });
}
